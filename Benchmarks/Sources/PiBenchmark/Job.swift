import BenchmarkSupport

/// A program that does the job once and prints how long that took: one line, as `ipc pi --json` has it.
struct Job {
  let name: String
  private let arguments: [String]

  /// The long double sum, added backwards, gives this.
  private static let pi = 3.1415926217588046

  init(_ name: String, _ arguments: [String]) {
    self.name = name
    self.arguments = arguments
  }

  /// Runs the program.
  ///
  /// - Throws: ``Failure``, also when its pi is wrong: a wrong answer is as fast as one likes.
  func seconds() throws -> Double {
    let line = try outputOfProgram(arguments)
    guard let seconds = Self.number("seconds", in: line), let pi = Self.number("pi", in: line) else {
      throw Failure("\(name): \"\(line)\" has no seconds and no pi")
    }
    guard abs(pi - Self.pi) < 1e-11 else { throw Failure("\(name): \(pi) is not the sum's pi") }
    return seconds
  }

  /// The number after a key of the line's object.
  private static func number(_ key: String, in line: String) -> Double? {
    let fields = line.split { "{},\n".contains($0) }
    guard let field = fields.first(where: { $0.hasPrefix("\"\(key)\":") }) else { return nil }
    return Double(field.dropFirst(key.utf8.count + 3))
  }
}
