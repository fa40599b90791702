extension Sequence<String> {
  /// The name that takes the fewest single-letter changes to become `word`.
  func nearest(to word: String) -> String? {
    guard let nearest = self.min(by: { editDistance($0, word) < editDistance($1, word) }) else { return nil }
    // What has less than half in common with it is no suggestion.
    let isAlike = editDistance(nearest, word) * 2 <= Swift.max(nearest.count, word.count)
    return isAlike ? nearest : first { !word.isEmpty && $0.contains(word) }
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
