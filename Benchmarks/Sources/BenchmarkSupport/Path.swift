extension String {
  /// What comes before the last slash.
  package var parentPath: String {
    String(self[..<(lastIndex(of: "/") ?? startIndex)])
  }
}
