/// Looks at the system calls of a program and its children, or makes one of them fail.
public enum Strace {
  private static let program = "/usr/bin/strace"

  public static let isAvailable =
    (try? Command.run(program, ["-f", "-e", "trace=mmap", "/bin/true"]))?.exitCode == 0

  /// Why the tests that need it are skipped.
  public static let absence = "skipped: needs strace, and the right to trace"

  /// The calls that a program and its children make, in order.
  public static func run(_ program: [String]) throws -> [(process: String, call: String)] {
    let file = "/tmp/strace-\(UInt32.random(in: 0 ... .max))"
    defer { _ = try? Command.run("/bin/rm", ["-f", file]) }
    let run = try Command.run(Self.program, ["-f", "-o", file] + program)
    guard run.exitCode == 0 else { throw Command.Failure(run.errors) }
    return try Command.run("/bin/cat", [file]).lines.compactMap { line in
      guard let space = line.firstIndex(of: " ") else { return nil }
      return (String(line[..<space]), String(line[space...].drop { $0 == " " }))
    }
  }

  /// Runs a program for which a call fails: `fallocate:error=ENOSPC`.
  ///
  /// - Parameter following: whether its other threads and its children are reached as well.
  public static func output(
    of program: [String], injecting injection: String, following: Bool = false
  ) throws -> Command {
    let call = injection.prefix { $0 != ":" }
    let options = ["-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(injection)"]
    return try Command.run(Self.program, (following ? ["-f"] : []) + options + program)
  }
}
