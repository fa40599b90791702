import CInterprocess
import Glibc
import SystemPackage

extension OwnedDescriptor {
  /// Takes the next connection, if there is one.
  func tryAcceptConnection(_ address: UnixSocketAddress) throws(InterprocessError) -> OwnedDescriptor? {
    switch valueOrErrno({ ci_accept4(rawValue, CInt(SOCK_CLOEXEC.rawValue)) }) {
    case .success(let connection): return OwnedDescriptor(adopting: connection)
    case .failure(.wouldBlock), .failure(.connectionAbort): return nil
    case .failure(let reason):
      throw InterprocessError(
        call: "accept", object: address.quoted, errno: reason, remedy: generalRemedy(for: reason))
    }
  }

  func acceptConnection(
    _ address: UnixSocketAddress, by deadline: Deadline
  ) throws(InterprocessError) -> OwnedDescriptor {
    while true {
      if let connection = try tryAcceptConnection(address) { return connection }
      guard try wait(until: .readable, by: deadline) else {
        throw InterprocessError(call: "accept", object: address.quoted, errno: .timedOut)
      }
    }
  }

  nonisolated(nonsending) func acceptConnection(
    _ address: UnixSocketAddress, by deadline: Deadline
  ) async throws -> OwnedDescriptor {
    try Task.checkCancellation()
    while true {
      if let connection = try tryAcceptConnection(address) { return connection }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: "accept", on: address.quoted)
    }
  }
}
