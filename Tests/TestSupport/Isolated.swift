import Glibc

/// A program run in IPC and mount namespaces of its own, so that whatever is in them afterwards is what it left.
public struct Isolated {
  public let exitCode: CInt
  public let output: [String]
  public let errors: String
  /// Objects, files and processes that are still there; names and numbers as the kernel lists them.
  public let left: [String]

  /// - Parameters:
  ///   - options: those of `Tests/Peers/in_namespace.py`.
  ///   - program: what to run, with its arguments.
  public static func run(
    _ program: [String], options: [String] = [], environment: [String: String] = [:], timeout: Duration = .seconds(220)
  ) throws -> Isolated {
    let command = try Command.run(
      unshare, namespaces + ["python3", "\(Package.root)/Tests/Peers/in_namespace.py"] + options + program,
      environment: environment, timeout: timeout)
    guard let exit = command.lines.lastIndex(where: { $0.hasPrefix("exit ") }) else {
      throw Command.Failure("no exit code: \(command.output) \(command.errors)")
    }
    let code = CInt(command.lines[exit].dropFirst("exit ".count)) ?? -1
    return Isolated(
      exitCode: code < 0 ? 128 - code : code, output: Array(command.lines[..<exit]), errors: command.errors,
      left: command.lines[(exit + 1)...].map { String($0.dropFirst("left ".count)) })
  }

  private static let unshare = "/usr/bin/unshare"
  // A process namespace only because /proc can then be mounted anew, which shows the IPC namespace's objects.
  private static let namespaces = ["--ipc", "--mount", "--pid", "--fork"]

  public static let isAvailable: Bool = {
    let check = try? Command.run(unshare, namespaces + ["python3", "-c", ""])
    return check?.exitCode == 0
  }()

  /// Why the tests that need namespaces are skipped.
  public static let absence = "skipped: needs python3 and the right to unshare namespaces (root)"
}
