import Glibc

/// A program in C at the other end of a mechanism, compiled when the first test asks for it.
public struct CPeer: Sendable {
  private let program: String

  /// `Tests/Peers/memory.c`.
  public static let memory = Result { try CPeer(compiling: "memory") }

  /// `Tests/Peers/queues.c`.
  public static let queues = Result { try CPeer(compiling: "queues") }

  /// `Tests/Peers/semaphores.c`.
  public static let semaphores = Result { try CPeer(compiling: "semaphores") }

  /// `Tests/Peers/packets.c`.
  public static let packets = Result { try CPeer(compiling: "packets") }

  /// `Tests/Peers/streams.c`.
  public static let streams = Result { try CPeer(compiling: "streams") }

  private init(compiling name: String) throws {
    let folder = "\(Package.root)/.build/peers"
    mkdir("\(Package.root)/.build", 0o755)
    mkdir(folder, 0o755)
    program = "\(folder)/\(name)"
    // Another run of the tests may be using it: it is replaced, not overwritten.
    let fresh = "\(program)-\(getpid())"
    let compiler = try Command.run(
      "/usr/bin/cc", ["-O1", "-o", fresh, "\(Package.root)/Tests/Peers/\(name).c", "-pthread", "-lrt"])
    guard compiler.exitCode == 0, rename(fresh, program) == 0 else { throw Command.Failure(compiler.errors) }
  }

  public static let isAvailable = access("/usr/bin/cc", X_OK) == 0

  /// Why the tests with C are skipped.
  public static let absence = "skipped: needs a C compiler, /usr/bin/cc"

  /// Runs one verb to its end.
  public func command(_ verb: String, _ arguments: String...) throws -> Command {
    try Command.run(program, [verb] + arguments, timeout: .seconds(20))
  }

  /// Runs one verb, which has to succeed, and gives what it printed.
  ///
  /// - Parameter descriptors: what it inherits, as ``Command/firstPassedDescriptor`` and so on.
  @discardableResult
  public func run(_ verb: String, _ arguments: String..., passing descriptors: [CInt] = []) throws -> String {
    let command = try Command.run(program, [verb] + arguments, passing: descriptors, timeout: .seconds(20))
    guard command.exitCode == 0 else { throw Command.Failure("\(verb): \(command.errors)") }
    return command.lines.joined(separator: "\n")
  }
}
