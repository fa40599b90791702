import CInterprocess
import Glibc
import SystemPackage

/// Which kind of Unix socket a call makes.
enum UnixSocketType: Sendable {
  case stream
  case datagram
  case sequencedPacket

  /// For `socket`; the descriptor is closed in programs that this process executes.
  var rawValue: CInt {
    let type =
      switch self {
      case .stream: SOCK_STREAM
      case .datagram: SOCK_DGRAM
      case .sequencedPacket: SOCK_SEQPACKET
      }
    return CInt(type.rawValue | SOCK_CLOEXEC.rawValue)
  }
}

extension OwnedDescriptor {
  /// A socket without an address. `object` is what it is wanted for.
  init(unixSocket type: UnixSocketType, for object: @autoclosure () -> String?) throws(InterprocessError) {
    self.init(adopting: try systemCall("socket", object()) { socket(AF_UNIX, type.rawValue, 0) })
  }

  /// Two sockets connected to each other.
  static func unixSocketPair(_ type: UnixSocketType) throws(InterprocessError) -> (CInt, CInt) {
    var ends: (CInt, CInt) = (-1, -1)
    try systemCall("socketpair", nil) {
      withUnsafeMutableBytes(of: &ends) {
        socketpair(AF_UNIX, type.rawValue, 0, $0.assumingMemoryBound(to: CInt.self).baseAddress)
      }
    }
    return ends
  }

  /// A socket connected to `address`, waiting for room in the server's backlog until the deadline.
  static func connected(
    to address: UnixSocketAddress, _ type: UnixSocketType, by deadline: Deadline
  ) throws(InterprocessError) -> OwnedDescriptor {
    try address.check(for: "connect")
    let socket = try OwnedDescriptor(unixSocket: type, for: address.quoted)
    // A full backlog answers EAGAIN once the send timeout has passed.
    while true {
      if !deadline.isNever { try socket.setSendTimeout(deadline) }
      do throws(InterprocessError) {
        try socket.connectOnce(to: address, wouldBlock: .timedOut)
        break
      } catch  where error.errno == .interrupted {
        // Not begun anew with the whole of the timeout.
      }
    }
    if !deadline.isNever { try socket.setSendTimeout(.never) }
    return socket
  }

  /// The same for a task, which is suspended. A full backlog cannot be polled, so it is waited for by a thread.
  nonisolated(nonsending) static func connected(
    to address: UnixSocketAddress, _ type: UnixSocketType, by deadline: Deadline
  ) async throws -> OwnedDescriptor {
    try Task.checkCancellation()
    try address.check(for: "connect")
    let socket = try OwnedDescriptor(unixSocket: type, for: address.quoted)
    try socket.setNonblocking(true)
    let isFull = try socket.backlogIsFull(at: address)
    try socket.setNonblocking(false)
    if isFull {
      let number = socket.rawValue
      let result = try await WaitingThread.call(until: deadline) { () -> Result<CInt, Errno> in
        let result = address.withSocketAddress { connect(number, $0, $1) }
        return result == 0 ? .success(result) : .failure(Errno.current)
      }
      if case .failure(let reason) = result {
        throw InterprocessError(
          call: "connect", object: address.quoted, errno: reason, remedy: connectRemedy(reason, address))
      }
    }
    return socket
  }

  /// Connects a socket that does not block, unless there is no room in the server's backlog.
  private func backlogIsFull(at address: UnixSocketAddress) throws(InterprocessError) -> Bool {
    do throws(InterprocessError) {
      try connectOnce(to: address, wouldBlock: .wouldBlock)
      return false
    } catch {
      // A signal came while it waited for the server's lock: the thread that waits for a full one waits for it.
      if error.errno == .wouldBlock || error.errno == .interrupted { return true }
      throw error
    }
  }

  private func connectOnce(to address: UnixSocketAddress, wouldBlock: Errno) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? { connectRemedy(reason, address) }
    let result = singleCall {
      let result = address.withSocketAddress { connect(rawValue, $0, $1) }
      if result == -1, Errno.current == .wouldBlock { Glibc.errno = wouldBlock.rawValue }
      return Int(result)
    }
    try value(of: "connect", address.quoted, remedy: remedy, result)
  }

  func setNonblocking(_ isNonblocking: Bool) throws(InterprocessError) {
    let flags = try systemCall("fcntl", "socket \(rawValue)") { fcntl(rawValue, F_GETFL) }
    let wanted = isNonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    try systemCall("fcntl", "socket \(rawValue)") { fcntl(rawValue, F_SETFL, wanted) }
  }

  /// Bounds `connect`, which has no timeout of its own.
  private func setSendTimeout(_ deadline: Deadline) throws(InterprocessError) {
    var time = timeval()
    if let left = deadline.remaining {
      let (seconds, attoseconds) = left.components
      // Zero would mean for ever.
      time = timeval(tv_sec: Int(seconds), tv_usec: max(1, Int(attoseconds / 1_000_000_000_000)))
    }
    try systemCall("setsockopt", "socket \(rawValue)") {
      setsockopt(rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }
}

private func connectRemedy(_ reason: Errno, _ address: UnixSocketAddress) -> String? {
  switch reason {
  case .noSuchFileOrDirectory: "nobody listens there; the server has to come first"
  case .connectionRefused:
    switch address {
    // The kernel looks an abstract name up together with the kind of socket.
    case .abstract: "nobody listens there, or with another kind of socket"
    case .path where !address.isSocket: "this is a file, and no socket"
    case .path: "its server is gone; start it again"
    }
  case .timedOut: "the server accepts too slowly, its backlog is full"
  case .permissionDenied: "the socket's or its directory's permissions do not let this user in"
  case .protocolWrongTypeForSocket: "another kind of socket is there: stream, datagram or sequenced packet"
  default: nil
  }
}
