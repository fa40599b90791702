/// The last step of a coding path, kept small: paths are spelt out only when somebody asks.
enum CBORPathKey {
  /// The same place as the parent's: the top, or a single value in a single value.
  case none
  case index(Int)
  case key(any CodingKey)

  func append(to path: inout [any CodingKey]) {
    switch self {
    case .none: break
    case .index(let index): path.append(CBORIndexKey(index))
    case .key(let key): path.append(key)
    }
  }
}

/// The key of an element of an array, in coding paths.
struct CBORIndexKey: CodingKey {
  private let index: Int

  init(_ index: Int) { self.index = index }
  init?(stringValue: String) { nil }
  init?(intValue: Int) { index = intValue }

  var stringValue: String { "Index \(index)" }
  var intValue: Int? { index }
}

/// The key that `superEncoder()` and `superDecoder()` use.
enum CBORSuperKey: String, CodingKey {
  case `super`
}
