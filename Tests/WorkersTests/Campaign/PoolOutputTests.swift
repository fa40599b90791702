import TestSupport
import Testing

/// The program is one of its own, so that it is seen where its own output goes.
@Suite("What workers write", .blocking)
struct PoolOutputTests {
  private func run(_ how: String) throws -> Command {
    let command = try Command.run(Package.program("workers-helper"), ["output", how], timeout: generous)
    #expect(command.exitCode == 0 && command.lines.last == "ended", "\(command)")
    return command
  }

  @Test("goes where the parent's output and errors go when they are inherited")
  func inherit() throws {
    let command = try run("inherit")
    #expect(command.lines.contains("a worker's output") && !command.output.contains("a worker's error"), "\(command)")
    #expect(command.errors == "a worker's error\n")
    #expect(command.lines.contains("collected: "), "\(command)")
  }

  @Test("is nowhere when it is dropped")
  func drop() throws {
    let command = try run("drop")
    #expect(!(command.output + command.errors).contains("a worker's"), "\(command)")
    #expect(command.lines.contains("collected: "), "\(command)")
  }

  @Test("is inherited unless configured, and of errors the end is in the crash alone")
  func byDefault() throws {
    let command = try run("default")
    #expect(command.lines.contains("a worker's output"), "\(command)")
    #expect(command.lines.contains("collected: a worker's error") && command.errors.isEmpty, "\(command)")
  }
}
