import ArgumentParser
import Interprocess
import SystemPackage

/// How a Unix socket carries bytes.
enum SocketType: String, CaseIterable, ExpressibleByArgument {
  case stream
  case sequencedPacket = "sequenced-packet"
  case datagram
}

/// A connected Unix socket, of whichever type it is.
enum ConnectedSocket: ~Copyable {
  case stream(UnixSocket)
  case messages(MessageSocket)

  /// Connects to what is there.
  ///
  /// - Parameter type: `nil` tries one after the other: the kernel refuses a socket of the wrong type before anything
  ///   else happens.
  static func connecting(
    to address: UnixSocketAddress, _ type: SocketType?, timeout: Duration?
  ) throws(InterprocessError) -> ConnectedSocket {
    guard let type else {
      // Of the right type, and nobody listens: an abstract name is looked up together with the type.
      var refusal: InterprocessError?
      for type in [SocketType.stream, .sequencedPacket, .datagram] {
        do throws(InterprocessError) {
          return try connecting(to: address, type, timeout: timeout)
        } catch {
          if error.errno == .connectionRefused {
            refusal = refusal ?? error
          } else if error.errno != .protocolWrongTypeForSocket || type == .datagram {
            throw refusal ?? error
          }
        }
      }
      throw refusal ?? InterprocessError(call: "connect", object: "\(address)", errno: .protocolWrongTypeForSocket)
    }
    switch type {
    case .stream: return .stream(try UnixSocket(connectingTo: address, timeout: timeout))
    case .sequencedPacket:
      return .messages(try MessageSocket(connectingTo: address, kind: .sequencedPacket, timeout: timeout))
    case .datagram: return .messages(try MessageSocket(connectingTo: address, kind: .datagram, timeout: timeout))
    }
  }

  /// Listens at `address` and takes one client. The path goes as soon as the client has come, or a signal.
  static func servingOneClient(
    at address: UnixSocketAddress, _ type: SocketType?, timeout: Duration?
  ) throws -> ConnectedSocket {
    Interruption.startCatching()
    defer { Interruption.stopCatching() }
    switch type ?? .stream {
    case .stream:
      let listener = try address.whenFree { () throws(InterprocessError) in try UnixListener(at: address) }
      let path = BoundPath(address)
      defer { path?.remove() }
      return .stream(try untilSignalled(timeout) { try listener.accept(timeout: $0) })
    case .sequencedPacket:
      let listener = try address.whenFree { () throws(InterprocessError) in try MessageListener(at: address) }
      let path = BoundPath(address)
      defer { path?.remove() }
      return .messages(try untilSignalled(timeout) { try listener.accept(timeout: $0) })
    case .datagram: throw ValidationError("a datagram goes to whoever receives there: --create is for ipc receive")
    }
  }
}

extension MessageSocket {
  /// Has `body` receive what is sent to `address`; the path goes afterwards, or when a signal comes.
  static func whileBound(
    to address: UnixSocketAddress, timeout: Duration?, _ body: (() throws -> [UInt8]) throws -> Void
  ) throws {
    Interruption.startCatching()
    defer { Interruption.stopCatching() }
    let socket = try address.whenFree { () throws(InterprocessError) in try MessageSocket(boundTo: address) }
    let path = BoundPath(address)
    defer { path?.remove() }
    try body { try untilSignalled(timeout) { try socket.receiveWhole(timeout: $0) ?? [] } }
  }

  /// The next message, of any size that a sender may send; `nil` when the other side has closed.
  func receiveWhole(timeout: Duration?) throws(InterprocessError) -> [UInt8]? {
    try receive(upTo: 1 << 22, timeout: timeout)?.bytes
  }
}

extension UnixSocketAddress {
  /// - Parameter name: a path, or `@` and an abstract name.
  init(named name: String) {
    self = name.hasPrefix("@") ? .abstract(String(name.dropFirst())) : .path(FilePath(name))
  }

  /// Calls `bind`. To find out whether a path's server lives means to connect, and whoever waits for one client would
  /// take that for it: so a path that is in use is the user's to remove.
  fileprivate func whenFree<Bound: ~Copyable>(
    _ bind: () throws(InterprocessError) -> Bound
  ) throws(InterprocessError) -> Bound {
    do throws(InterprocessError) {
      return try bind()
    } catch {
      guard error.errno == .addressInUse, case .path(let path) = self else { throw error }
      throw InterprocessError(
        call: error.call, object: error.object, errno: error.errno,
        remedy: isSocket
          ? "a program is there, or one that was killed left the path behind; ipc rm unix-socket:\(path) removes it "
            + "if nobody is there" : "this is a file, and no socket; choose another path")
    }
  }
}

/// The path that this process has bound, to be removed unless somebody else has put another socket there.
private struct BoundPath {
  private let path: FilePath
  private let identity: FileIdentity

  init?(_ address: UnixSocketAddress) {
    guard case .path(let path) = address, let status = SocketFile.status(of: path.string) else { return nil }
    (self.path, identity) = (path, FileIdentity(status))
  }

  func remove() {
    if SocketFile.status(of: path.string).map(FileIdentity.init) == identity { try? UnixListener.unlink(path) }
  }
}

/// Calls `attempt`, each time for a moment, until it has a result, a signal comes, or `timeout` has passed.
private func untilSignalled<Result: ~Copyable>(
  _ timeout: Duration?, _ attempt: (Duration) throws -> Result
) throws -> Result {
  let deadline = timeout.map { ContinuousClock.now + $0 }
  while true {
    try Interruption.check()
    let left = deadline.map { $0 - ContinuousClock.now } ?? .seconds(1)
    do {
      return try attempt(min(.milliseconds(50), max(.zero, left)))
    } catch {
      guard let timeout = error as? InterprocessError, timeout.isTimeout, left > .zero else { throw error }
    }
  }
}
