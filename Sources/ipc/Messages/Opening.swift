import ArgumentParser
import Interprocess
import SystemPackage

// Opening what an address names, creating it where the user asked for it.

extension POSIXMessageQueue {
  init(_ name: String, access: Access, creatingIfAbsent create: Bool) throws(InterprocessError) {
    let limits = Self.defaultLimits
    self =
      create
      ? try POSIXMessageQueue(
        creatingIfAbsent: name, access: access, maximumMessages: limits.maximumMessages,
        maximumMessageSize: limits.maximumMessageSize)
      : try POSIXMessageQueue(opening: name, access: access)
  }
}

extension SystemVMessageQueue {
  init(at place: ObjectAddress.Place, creatingIfAbsent create: Bool) throws {
    switch place {
    case .key(let key):
      self = create ? try SystemVMessageQueue(creatingIfAbsent: key) : try SystemVMessageQueue(opening: key)
    case .id(let id):
      if create { throw MessageOptions.cannotCreateByID() }
      self.init(id: id)
    case .name(let name): throw ValidationError("\(name): a System V queue has a key or a number")
    }
  }
}

extension NamedPipe {
  static func createIfAbsent(at path: FilePath) throws(InterprocessError) {
    do {
      try create(at: path)
    } catch {
      if error.errno != .fileExists { throw error }
    }
  }
}

extension POSIXSharedMemory {
  /// - Parameter byteCount: the size to create it with where it does not exist; `nil` only opens it.
  init(_ name: String, creatingIfAbsent byteCount: Int?) throws {
    if let byteCount {
      do {
        self = try POSIXSharedMemory(creating: name, byteCount: byteCount)
        return
      } catch {
        if error.errno != .fileExists { throw error }
      }
    }
    self = try POSIXSharedMemory(opening: name)
  }
}

extension SystemVSharedMemory {
  /// - Parameter byteCount: the size to create it with where it does not exist; `nil` only attaches it.
  init(at place: ObjectAddress.Place, creatingIfAbsent byteCount: Int?) throws {
    switch place {
    case .key(let key):
      if let byteCount {
        do {
          self = try SystemVSharedMemory(creating: key, byteCount: byteCount)
          return
        } catch {
          if error.errno != .fileExists { throw error }
        }
      }
      self = try SystemVSharedMemory(opening: key)
    case .id(let id):
      if byteCount != nil { throw MessageOptions.cannotCreateByID() }
      self = try SystemVSharedMemory(id: id)
    case .name(let name): throw ValidationError("\(name): a System V segment has a key or a number")
    }
  }
}

extension POSIXSharedMemory {
  /// Writes from the start, by `pwrite`: memory that was never allocated, where there is no room for it, is an error then
  /// and not a SIGBUS.
  func overwrite(with message: [UInt8]) throws {
    try checkFit(message, into: mapping.byteCount)
    do {
      _ = try descriptor.fileDescriptor.writeAll(toAbsoluteOffset: 0, message)
    } catch let reason as Errno {
      throw InterprocessError(call: "pwrite", object: name.quoted, errno: reason)
    }
  }
}

extension Mapping {
  /// Writes from the start.
  mutating func overwrite(with message: [UInt8]) throws {
    try checkFit(message, into: byteCount)
    var target = mutableBytes
    for (offset, byte) in message.enumerated() { target.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
  }
}

private func checkFit(_ message: [UInt8], into byteCount: Int) throws {
  if message.count > byteCount { throw JobFailure("the message has \(message.count) bytes, the memory \(byteCount)") }
}

extension ObjectAddress {
  /// Whether it means memory, which has one content and no messages.
  var isMemory: Bool { [.posixSharedMemory, .systemVSharedMemory].contains(kind) }
}
