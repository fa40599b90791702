extension Sequence<String> {
  /// The name that takes the fewest single-letter changes to become `word`.
  func nearest(to word: String) -> String? {
    self.min { editDistance($0, word) < editDistance($1, word) }
  }
}

/// Levenshtein's distance, in one row.
private func editDistance(_ first: String, _ second: String) -> Int {
  let second = Array(second)
  var row = Array(0...second.count)
  for (i, letter) in first.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in second.enumerated() {
      let change = diagonal + (letter == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[second.count]
}
