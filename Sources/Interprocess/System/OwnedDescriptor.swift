import CInterprocess
import Glibc
public import SystemPackage

/// A file descriptor with one owner, closed exactly once: by ``close()`` or when its owner goes.
public struct OwnedDescriptor: ~Copyable, Sendable {
  /// The descriptor's number; -1 once it is closed.
  public private(set) var rawValue: CInt

  /// Takes over `rawValue`, which nobody else may close from now on.
  public init(adopting rawValue: CInt) {
    self.rawValue = rawValue
  }

  deinit {
    if rawValue >= 0 { _ = Glibc.close(rawValue) }
  }

  /// The descriptor for calls of swift-system, to use and not to close.
  public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }

  /// Whether ``close()`` or ``release()`` has been called.
  public var isClosed: Bool { rawValue < 0 }

  /// Closes the descriptor. Closing it again does nothing.
  ///
  /// The corresponding C function is `close`. It is not repeated when a signal interrupts it: on Linux the descriptor is
  /// gone by then, and may be somebody else's.
  ///
  /// - Throws: the reason, for instance a delayed write error. The descriptor is closed all the same.
  public mutating func close() throws(InterprocessError) {
    guard rawValue >= 0 else { return }
    let closing = rawValue
    rawValue = -1
    if Glibc.close(closing) == -1, Errno.current != .interrupted {
      throw InterprocessError(call: "close", object: "descriptor \(closing)", errno: .current)
    }
  }

  /// Gives the descriptor up without closing it: the caller owns it now.
  public consuming func release() -> FileDescriptor {
    let released = FileDescriptor(rawValue: rawValue)
    rawValue = -1
    return released
  }
}

extension OwnedDescriptor {
  /// A duplicate of a descriptor that stays its owner's, closed in programs that this process executes.
  ///
  /// The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
  init(copying number: CInt) throws(InterprocessError) {
    self.init(adopting: try systemCall("fcntl", "descriptor \(number)") { fcntl(number, F_DUPFD_CLOEXEC, 0) })
  }

  package func copy() throws(InterprocessError) -> OwnedDescriptor { try OwnedDescriptor(copying: rawValue) }
}

/// What to wait for on a descriptor.
package enum Readiness {
  case readable
  case writable

  fileprivate var events: CShort { CShort(self == .readable ? POLLIN : POLLOUT) }
}

extension OwnedDescriptor {
  /// Waits until the descriptor is ready, or has an error or a hang-up to report.
  ///
  /// The corresponding C function is `poll`.
  ///
  /// - Returns: whether it became ready before the deadline.
  func wait(until readiness: Readiness, by deadline: Deadline) throws(InterprocessError) -> Bool {
    try poll(fileDescriptor, until: readiness, by: deadline)
  }
}

/// Waits until a descriptor is ready. See ``OwnedDescriptor/wait(until:by:)``.
func poll(
  _ descriptor: FileDescriptor, until readiness: Readiness, by deadline: Deadline
) throws(InterprocessError) -> Bool {
  let ready = try systemCall("poll", "descriptor \(descriptor.rawValue)") {
    var entry = pollfd(fd: descriptor.rawValue, events: readiness.events, revents: 0)
    return Glibc.poll(&entry, 1, deadline.pollMilliseconds)
  }
  return ready > 0
}
