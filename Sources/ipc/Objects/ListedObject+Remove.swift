import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// Why an object was not removed.
struct RemovalFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension ListedObject {
  /// Why it is not to be removed without force; `nil` when nobody is known to hold it.
  var reasonToKeep: String? {
    switch holders {
    case .processes(let ids):
      let names = ids[0].processName.map { " (\($0))" } ?? ""
      let others = ids.count > 1 ? " and \(ids.count - 1) more hold it" : " holds it"
      return "process \(ids[0])\(names)\(others); "
        + (hasName ? "--force removes it all the same" : "an abstract socket goes with its last holder")
    case .unseen:
      guard hasName else {
        return "somebody whom this user cannot see holds it; an abstract socket goes with its last holder"
      }
      let look = getuid() == 0 ? "" : "look with sudo, or "
      return "somebody whom this user cannot see may hold it; \(look)--force removes it all the same"
    case .nobody, .unrecorded: return nil
    }
  }

  /// Whether there is a name to remove: an abstract socket has no path.
  private var hasName: Bool {
    if case .name(let name) = label, kind == .unixSocket { name.hasPrefix("/") } else { true }
  }

  /// Removes it.
  ///
  /// - Parameter force: whether to do so even when somebody has come to use it since it was listed.
  func remove(force: Bool) throws {
    switch (kind, label) {
    case (.systemVMessageQueue, .systemV(_, let id)): try SystemVMessageQueue(id: id).remove()
    case (.systemVSharedMemory, .systemV(_, let id)): try SystemVSharedMemory.remove(id: id)
    case (.systemVSemaphore, .systemV(_, let id)): try SystemVSemaphoreSet.remove(id: id)
    case (.unixSocket, .name(let path)):
      guard hasName else { throw RemovalFailure("an abstract socket has no path: it goes with its last holder") }
      guard let status = SocketFile.status(of: path) else {
        throw RemovalFailure("no socket stands at its path any more")
      }
      guard FileIdentity(status) == identity else { throw Self.isAnother }
      try UnixListener.unlink(FilePath(path))
    case (_, .name(let name)):
      if force {
        try unlink(name)
      } else {
        // Held until the name is gone: nobody can begin to use the object meanwhile.
        try withExtendedLifetime(leaseForRemoval(of: name)) { try unlink(name) }
      }
    case (_, .systemV): throw RemovalFailure("this kind has names, and no keys")
    }
  }

  private func unlink(_ name: String) throws(InterprocessError) {
    switch kind {
    case .posixMessageQueue: try POSIXMessageQueue.unlink(name)
    case .posixSemaphore: try POSIXSemaphore.unlink(name)
    default: try POSIXSharedMemory.unlink(name)
    }
  }

  /// - Returns: `nil` where this user can have none, and what the processes show has to do.
  private func leaseForRemoval(of name: String) throws -> WriteLease? {
    do throws(Errno) {
      return try WriteLease.patiently { () throws(Errno) in try lease(on: name) }
    } catch {
      switch error {
      case .wouldBlock: throw RemovalFailure("it came into use meanwhile; --force removes it all the same")
      case .noSuchFileOrDirectory: throw RemovalFailure("it has gone meanwhile")
      case .staleNFSFileHandle: throw Self.isAnother
      default: return nil
      }
    }
  }

  private func lease(on name: String) throws(Errno) -> WriteLease {
    let descriptor =
      kind == .posixMessageQueue ? try POSIXMessageQueueFile.open(name) : try SharedMemoryFile.open(kind, name)
    var status = stat()
    // The name may be another object's by now.
    if fstat(descriptor.rawValue, &status) == 0, FileIdentity(status) != identity { throw .staleNFSFileHandle }
    return try WriteLease(on: descriptor)
  }

  private static var isAnother: RemovalFailure { RemovalFailure("another object has taken its name meanwhile") }
}
