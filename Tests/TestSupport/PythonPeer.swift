import Glibc

/// Python at the other end of a mechanism, with posix_ipc and sysv_ipc: a different implementation, read by nobody here.
public enum PythonPeer {
  /// The virtual environment that `.ci/run` makes; another one is named by `INTERPROCESS_TEST_PYTHON`.
  private static var python: String {
    getenv("INTERPROCESS_TEST_PYTHON").map { String(cString: $0) } ?? "\(Package.root)/.venv/bin/python"
  }

  public static let isAvailable: Bool = {
    let check = try? Command.run(python, ["-c", "import posix_ipc, sysv_ipc"])
    return check?.exitCode == 0
  }()

  /// Why the tests with Python are skipped.
  public static let absence = "skipped: needs Python with posix_ipc and sysv_ipc: run .ci/peers once"

  /// Runs one verb of `Tests/Peers/peer.py` and gives what it printed.
  ///
  /// - Parameter descriptors: what it inherits, as ``Command/firstPassedDescriptor`` and so on.
  @discardableResult
  public static func run(_ verb: String, _ arguments: String..., passing descriptors: [CInt] = []) throws -> String {
    try run(verb, arguments, descriptors)
  }

  private static func run(_ verb: String, _ arguments: [String], _ descriptors: [CInt] = []) throws -> String {
    let script = "\(Package.root)/Tests/Peers/peer.py"
    let command = try Command.run(python, [script, verb] + arguments, passing: descriptors)
    guard command.exitCode == 0 else { throw Command.Failure(command.errors) }
    return command.output.hasSuffix("\n") ? String(command.output.dropLast()) : command.output
  }

  /// Whether Python has the module.
  public static func has(_ module: String) -> Bool {
    (try? Command.run(python, ["-c", "import \(module)"]))?.exitCode == 0
  }

  /// Runs a program of a few lines and gives what it printed.
  public static func run(program: String, _ arguments: String...) throws -> String {
    let command = try Command.run(python, ["-c", program] + arguments)
    guard command.exitCode == 0 else { throw Command.Failure(command.errors) }
    return command.output.hasSuffix("\n") ? String(command.output.dropLast()) : command.output
  }

  /// Runs a verb while this thread goes on.
  public static func start(_ verb: String, _ arguments: String...) -> Background<String> {
    Background { try run(verb, arguments) }
  }
}
