import TestSupport

/// A JSON object without nesting, of strings without escapes, numbers and null.
struct JSONObject {
  private let members: [String: Substring]

  init(_ line: String) throws {
    guard line.hasPrefix("{"), line.hasSuffix("}") else { throw Command.Failure("no object: \(line)") }
    members = Dictionary(
      uniqueKeysWithValues: try line.dropFirst().dropLast().split(separator: ",").map { member in
        let parts = member.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let key = Self.unquoted(parts[0]) else { throw Command.Failure("no member: \(member)") }
        return (key, parts[1])
      })
  }

  private static func unquoted(_ text: Substring) -> String? {
    text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : nil
  }

  func has(_ key: String) -> Bool { members[key] != nil }
  func isNull(_ key: String) -> Bool { members[key] == "null" }
  func string(_ key: String) -> String? { members[key].flatMap(Self.unquoted) }
  func number(_ key: String) -> Double? { members[key].flatMap { Double($0) } }
}
