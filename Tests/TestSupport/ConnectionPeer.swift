import Glibc

/// Python's `multiprocessing.connection` at the other end of a channel: `Tests/Peers/connection.py`.
public struct ConnectionPeer: Sendable, CustomStringConvertible {
  /// As Python has it, for example 3.11.
  public let version: String
  private let interpreter: String

  public var description: String { "Python \(version)" }

  /// The one that `python3` is.
  public static let usual = ConnectionPeer("/usr/bin/env python3")

  /// One of each version that is here: the authentication is another one since 3.12.
  public static let all: [ConnectionPeer] = {
    var found: [String: ConnectionPeer] = [:]
    let home = getenv("HOME").map { String(cString: $0) } ?? ""
    let installed = (8...20).flatMap { minor in
      ["/usr/bin/env python3.\(minor)"] + (0...20).map { "\(home)/.pyenv/versions/3.\(minor).\($0)/bin/python3" }
    }
    for interpreter in ["/usr/bin/env python3"] + installed {
      if interpreter.hasPrefix(home), access(interpreter, X_OK) != 0 { continue }
      if let peer = ConnectionPeer(interpreter), found[peer.version] == nil { found[peer.version] = peer }
    }
    return found.values.sorted { $0.version < $1.version }
  }()

  public static let isAvailable = usual != nil
  public static let absence = "skipped: needs python3"

  private init?(_ interpreter: String) {
    let words = interpreter.split(separator: " ").map(String.init)
    let check = try? Command.run(
      words[0],
      words.dropFirst() + ["-c", "import sys, multiprocessing.connection; print('%d.%d' % sys.version_info[:2])"])
    guard let version = check?.lines.first, check?.exitCode == 0 else { return nil }
    self.version = version
    self.interpreter = interpreter
  }

  /// Runs one verb of `Tests/Peers/connection.py` while this thread goes on, and gives what it printed.
  public func start(
    _ verb: String, _ arguments: String..., passing descriptors: [CInt] = [], timeout: Duration = .seconds(60)
  ) -> Background<[String]> {
    let words = interpreter.split(separator: " ").map(String.init)
    let arguments = words.dropFirst() + ["\(Package.root)/Tests/Peers/connection.py", verb] + arguments
    // Duplicates, which the thread has for as long as it needs them.
    let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 0) }
    return Background {
      func letGo(_: pid_t) { for copy in copies { close(copy) } }
      let command = try Command.run(
        words[0], Array(arguments), passing: copies, timeout: timeout, whileRunning: letGo)
      guard command.exitCode == 0 else { throw Command.Failure(command.errors) }
      return command.lines
    }
  }
}
