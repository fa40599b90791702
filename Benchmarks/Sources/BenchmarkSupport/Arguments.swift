/// Why there is nothing to print.
package struct Failure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// Not a failure: the user asked for the text.
package struct Help: Error {
  package let text: String
  package init(_ text: String) { self.text = text }
}

extension ArraySlice<String> {
  /// Takes what follows an option off the command line.
  package mutating func value(of option: String) throws -> String {
    guard let value = popFirst() else { throw Failure("\(option): give a value") }
    return value
  }

  /// Takes the number that follows `--rounds`.
  package mutating func rounds() throws -> Int {
    let text = try value(of: "--rounds")
    guard let rounds = Int(text), rounds > 0 else { throw Failure("--rounds \(text): give a number from 1") }
    return rounds
  }
}
