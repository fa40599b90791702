public import Testing

/// Waits for what must come to hold.
public func eventually(_ what: Comment, _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + generous
  while try await !condition() {
    if ContinuousClock.now > end {
      Issue.record("never: \(what)")
      return
    }
    try await Task.sleep(for: .milliseconds(10))
  }
}
