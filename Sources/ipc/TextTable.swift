/// Rows of words in columns, each as wide as its longest word.
struct TextTable {
  enum Alignment {
    case left
    case right
  }

  private let alignments: [Alignment]
  private var rows: [[String]]

  init(_ headings: KeyValuePairs<String, Alignment>) {
    alignments = headings.map(\.value)
    rows = [headings.map(\.key)]
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  var lines: [String] {
    let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, zip(widths, alignments)).map { word, layout in
        word.padded(layout.1 == .left ? layout.0 : -layout.0)
      }
      // The last column fills no line up.
      return String(cells.joined(separator: "  ").trimmingEnd())
    }
  }
}

extension String {
  /// Filled with spaces to `width` letters: on the right, or on the left where the width is negative.
  func padded(_ width: Int) -> String {
    let spaces = String(repeating: " ", count: max(0, abs(width) - count))
    return width < 0 ? spaces + self : self + spaces
  }

  fileprivate func trimmingEnd() -> Substring {
    self[..<(lastIndex { $0 != " " }.map { index(after: $0) } ?? startIndex)]
  }
}
