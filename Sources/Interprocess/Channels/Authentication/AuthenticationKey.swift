#if Authentication
  import Crypto
  import FoundationEssentials
#endif

/// A secret that both sides of a connection have, and what it makes of a challenge.
///
/// Without the package trait `Authentication` there is none to be had, and nothing here is called.
struct AuthenticationKey: Sendable {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// A challenge that nobody has seen. Before Python 3.12 all of it is taken for random bytes, and answered by
  /// HMAC-MD5; since then it says by its beginning that HMAC-SHA-256 is wanted.
  static func challenge() -> [UInt8] {
    // The system's generator: cryptographically secure on Linux.
    Array("{sha256}".utf8) + (0..<40).map { _ in UInt8.random(in: 0...255) }
  }

  /// The shortest challenge that is answered: somebody who chose an empty one would learn more than that the key is here.
  private static let shortestChallenge = 20
  /// Lengths at which a message from a Python before 3.12 names no digest: its challenges, and its answers.
  private static let legacyLengths = [20, 16]

  /// The digest that a message names at its beginning, and what follows that.
  private static func parts(of message: [UInt8]) -> (digest: String, rest: ArraySlice<UInt8>)? {
    if legacyLengths.contains(message.count) { return ("md5", message[...]) }
    guard message.first == UInt8(ascii: "{"), let end = message.prefix(16).firstIndex(of: UInt8(ascii: "}")) else {
      return nil
    }
    return (String(decoding: message[1..<end], as: UTF8.self), message[(end + 1)...])
  }
}

#if Authentication
  extension AuthenticationKey {
    /// The answer to a challenge; `nil` when it is none, or wants a digest that is not known here.
    func answer(to challenge: [UInt8]) -> [UInt8]? {
      guard challenge.count >= Self.shortestChallenge, let (digest, _) = Self.parts(of: challenge) else { return nil }
      // The digest's name is a part of what is answered, so that nobody can talk the two down to a weaker one.
      switch digest {
      case "md5": return mark("md5", challenge) + code(Insecure.MD5.self, challenge)
      case "sha256": return mark("sha256", challenge) + code(SHA256.self, challenge)
      case "sha384": return mark("sha384", challenge) + code(SHA384.self, challenge)
      default: return nil
      }
    }

    private func mark(_ digest: String, _ challenge: [UInt8]) -> [UInt8] {
      Self.legacyLengths.contains(challenge.count) ? [] : Array("{\(digest)}".utf8)
    }

    private func code<Hash: HashFunction>(_ hash: Hash.Type, _ message: [UInt8]) -> [UInt8] {
      Array(HMAC<Hash>.authenticationCode(for: message, using: SymmetricKey(data: bytes)))
    }

    /// Whether `response` answers `challenge` as somebody does who has this key.
    func accepts(_ response: [UInt8], asAnswerTo challenge: [UInt8]) -> Bool {
      guard let (digest, code) = Self.parts(of: response) else { return false }
      switch digest {
      case "md5": return isCode(Insecure.MD5.self, code, of: challenge)
      case "sha256": return isCode(SHA256.self, code, of: challenge)
      case "sha384": return isCode(SHA384.self, code, of: challenge)
      default: return false
      }
    }

    /// Takes as long whichever byte is the first that differs.
    private func isCode<Hash: HashFunction>(
      _ hash: Hash.Type, _ code: ArraySlice<UInt8>, of message: [UInt8]
    ) -> Bool {
      HMAC<Hash>.isValidAuthenticationCode(Array(code), authenticating: message, using: SymmetricKey(data: bytes))
    }
  }

  extension ChannelListener {
    /// Listens at `address` for those who have a key. See ``init(at:offering:_:replacingDeadServer:)``.
    ///
    /// Each side proves to the other that it has the key, which is never sent: as Python's
    /// `multiprocessing.connection` does when it is given an `authkey`, by HMAC-SHA-256, and by HMAC-MD5 with a Python
    /// before 3.12. What is sent afterwards is neither encrypted nor signed; on a Unix socket nobody is in between.
    ///
    /// ``accept(timeout:)`` throws ``ChannelError/Code/authenticationFailed`` for one who has another key, and a timeout for
    /// one who has said nothing for ten seconds, whatever `timeout` is. The listener is none the worse for it.
    ///
    /// Needs the package trait `Authentication`.
    public init(
      at address: UnixSocketAddress, offering mechanism: Mechanism = .unixSocket, _ options: Channel.Options = .init(),
      replacingDeadServer: Bool = false, authenticationKey: [UInt8]
    ) throws(InterprocessError) {
      let listener = try UnixListener(at: address, replacingDeadServer: replacingDeadServer)
      self.init(listener, offering: mechanism, options, key: AuthenticationKey(authenticationKey))
    }

    /// Listens for those who know the key, taking over a path at which nobody listens any more. See
    /// ``init(at:offering:_:replacingDeadServer:authenticationKey:)``.
    ///
    /// Needs the package trait `Authentication`.
    public nonisolated(nonsending) init(
      takingOver address: UnixSocketAddress, offering mechanism: Mechanism = .unixSocket,
      _ options: Channel.Options = .init(), authenticationKey: [UInt8]
    ) async throws {
      let listener = try await UnixListener(takingOver: address)
      self.init(listener, offering: mechanism, options, key: AuthenticationKey(authenticationKey))
    }
  }

  extension Channel {
    /// Connects to a ``ChannelListener``, or a Python program's, that wants the key. See
    /// ``init(connectingTo:over:_:timeout:)``.
    ///
    /// Needs the package trait `Authentication`.
    ///
    /// - Throws: also ``ChannelError/Code/authenticationFailed`` when the other side has another key; a timeout when it
    ///   has said nothing for ten seconds: it may have none.
    public convenience init(
      connectingTo address: UnixSocketAddress, over mechanism: Mechanism = .unixSocket, _ options: Options = .init(),
      authenticationKey: [UInt8], timeout: Duration? = nil
    ) throws(ChannelError) {
      try self.init(
        connectingTo: address, over: mechanism, options, key: AuthenticationKey(authenticationKey), timeout: timeout)
    }

    /// Connects to a ``ChannelListener``, or a Python program's, that wants the key; the task is suspended meanwhile.
    ///
    /// Needs the package trait `Authentication`.
    public static nonisolated(nonsending) func connected(
      to address: UnixSocketAddress, over mechanism: Mechanism = .unixSocket, _ options: Options = .init(),
      authenticationKey: [UInt8], timeout: Duration? = nil
    ) async throws -> Channel {
      try await connected(
        to: address, over: mechanism, options, key: AuthenticationKey(authenticationKey), timeout: timeout)
    }
  }
#else
  extension AuthenticationKey {
    func answer(to challenge: [UInt8]) -> [UInt8]? { nil }
    func accepts(_ response: [UInt8], asAnswerTo challenge: [UInt8]) -> Bool { false }
  }
#endif
