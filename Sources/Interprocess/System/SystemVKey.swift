import CInterprocess
import Glibc
public import SystemPackage

/// The number by which unrelated processes find a System V queue, segment or semaphore set.
///
/// A key is 32 bits and not 0: 0 is `IPC_PRIVATE`, which makes a new object that has no key at all. Private objects have
/// initializers of their own here.
public struct SystemVKey: RawRepresentable, Hashable, Sendable {
  public let rawValue: CInt

  /// - Returns: `nil` for 0.
  public init?(rawValue: CInt) {
    guard rawValue != 0 else { return nil }
    self.rawValue = rawValue
  }

  /// - Returns: `nil` for 0 and for what does not fit into 32 bits, with a sign or without.
  public init?(exactly value: some BinaryInteger) {
    if let signed = CInt(exactly: value) {
      self.init(rawValue: signed)
    } else if let unsigned = UInt32(exactly: value) {
      self.init(rawValue: CInt(bitPattern: unsigned))
    } else {
      return nil
    }
  }

  /// A key made from a file that the processes have in common, and a number to tell its keys apart.
  ///
  /// The corresponding C function is `ftok`. It uses 16 bits of the file's inode and 8 of its device, so two files may
  /// give the same key; and a file that is replaced gives another.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when `project` is 0.
  public init(file path: FilePath, project: UInt8) throws(InterprocessError) {
    guard project != 0 else { throw .refused("ftok", "\"\(path)\"", "the project number has to be 1 to 255") }
    let key = try systemCall("ftok", "\"\(path)\"", remedy: naming("file")) {
      path.withPlatformString { ftok($0, CInt(project)) }
    }
    guard let checked = SystemVKey(rawValue: key) else {
      throw .refused("ftok", "\"\(path)\"", "this file gives the key 0, which means private; use another number")
    }
    self = checked
  }
}

extension SystemVKey: CustomStringConvertible {
  /// Hexadecimal, as `ipcs` prints it: `0x70690001`.
  public var description: String {
    let digits = String(UInt32(bitPattern: rawValue), radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// What a System V object is opened by.
enum SystemVAddress {
  case key(SystemVKey, flags: CInt)
  case isPrivate

  var key: key_t {
    switch self {
    case .key(let key, _): key.rawValue
    case .isPrivate: 0
    }
  }

  func flags(_ permissions: FilePermissions) -> CInt {
    // What a mode has beyond these means IPC_CREAT, IPC_EXCL and SHM_HUGETLB here.
    let mode = CInt(permissions.rawValue) & 0o777
    return switch self {
    case .key(_, let flags): flags | mode
    case .isPrivate: IPC_CREAT | mode
    }
  }

  var described: String {
    switch self {
    case .key(let key, _): "key \(key)"
    case .isPrivate: "private"
    }
  }
}
