/// A JSON object on one line, its keys in the order they were added.
struct JSONLine: CustomStringConvertible {
  private var members: [String] = []

  mutating func add(_ key: String, _ value: String?) { addRaw(key, value?.json) }
  mutating func add(_ key: String, _ value: Int?) { addRaw(key, value.map { String($0) }) }
  /// What is no number is null.
  mutating func add(_ key: String, _ value: Double?) {
    addRaw(key, value.flatMap { $0.isFinite ? String($0) : nil })
  }
  mutating func add(_ key: String, _ value: Bool?) { addRaw(key, value.map { String($0) }) }
  mutating func add(_ key: String, _ values: [CInt]?) {
    addRaw(key, values.map { "[\($0.map { String($0) }.joined(separator: ","))]" })
  }

  private mutating func addRaw(_ key: String, _ value: String?) {
    members.append("\(key.json):\(value ?? "null")")
  }

  var description: String { "{\(members.joined(separator: ","))}" }
}
