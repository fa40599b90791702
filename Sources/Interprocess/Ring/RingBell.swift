import CInterprocess
import Glibc
import SystemPackage

/// What rings for a side of a ring that waits in an event loop or a task.
enum RingBell: ~Copyable, Sendable {
  /// Of processes that trust each other: a counter's flags are all its users', and who sets them can have others block.
  case counter(EventCounter)

  /// An end of a pair of sockets, whose other end the other side has. Nobody else can make it block.
  case socket(OwnedDescriptor)

  init?(_ counter: consuming EventCounter?) {
    guard let counter = counter.take() else { return nil }
    self = .counter(counter)
  }

  /// What becomes readable.
  var descriptor: FileDescriptor {
    switch self {
    case .counter(let counter): counter.descriptor.fileDescriptor
    case .socket(let socket): socket.fileDescriptor
    }
  }

  /// Rings for whoever waits for this bell; of a pair of sockets, at the other end.
  func ring() {
    switch self {
    case .counter(let counter): counter.ring()
    case .socket(let socket):
      var byte: UInt8 = 1
      // Where there is no room it rings already.
      _ = send(socket.rawValue, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
    }
  }

  /// Rings for the other side, where it has the other end of this bell.
  func ringOtherEnd() {
    switch self {
    case .counter: break
    case .socket: ring()
    }
  }

  /// Rings for this side, once and for all.
  func ringHere() {
    switch self {
    case .counter: ring()
    case .socket(let socket): shutdown(socket.rawValue, CInt(SHUT_RD))
    }
  }

  /// - Returns: whether the other side has let go of its end, or ``ringHere()`` was called.
  func silence() -> Bool {
    switch self {
    case .counter(let counter):
      _ = counter.descriptor.takeFromCounter()
      return false
    case .socket(let socket):
      var bytes: (UInt64, UInt64) = (0, 0)
      let result = valueOrErrno { recv(socket.rawValue, &bytes, MemoryLayout.size(ofValue: bytes), CInt(MSG_DONTWAIT)) }
      return if case .success(0) = result { true } else { false }
    }
  }
}
