import Glibc

/// Prints a line for each thing measured, as soon as it is known.
package struct Table {
  package private(set) var hasMissed = false

  package init() {}

  package func printHeader() {
    printRow("what", "ratio", "of minima", "demand", "")
  }

  /// A ratio of times. The median decides; the ratio of the minima shows how far noise went.
  ///
  /// - Parameter note: what else a reader has to know, behind the verdict.
  package mutating func add(
    _ what: String, _ times: Samples, over others: Samples, _ demand: Demand, note: String = ""
  ) {
    let ratio = times.ratio(to: others)
    let ofMinima = times.minimum / others.minimum
    add(what, ratio, ratio.formatted(decimals: 2), ofMinima.formatted(decimals: 2), demand, note)
  }

  /// A figure that is no ratio.
  package mutating func add(_ what: String, _ value: Double, _ demand: Demand) {
    add(what, value, value.formatted(significantDigits: 2), "", demand, "")
  }

  /// What could not be measured, which `--strict` does not let pass.
  package mutating func skip(_ what: String, because reason: String) {
    hasMissed = true
    printRow(what, "-", "", "", "SKIPPED: \(reason)")
  }

  private mutating func add(
    _ what: String, _ value: Double, _ text: String, _ ofMinima: String, _ demand: Demand, _ note: String
  ) {
    let isMet = demand.isMet(by: value)
    if isMet == false { hasMissed = true }
    let verdict = isMet.map { $0 ? "ok" : "MISSED" } ?? ""
    printRow(what, text, ofMinima, demand.description, note.isEmpty ? verdict : "\(verdict) (\(note))")
  }

  private func printRow(_ what: String, _ ratio: String, _ ofMinima: String, _ demand: String, _ verdict: String) {
    let figures = what.padded(36) + ratio.padded(-8) + ofMinima.padded(-11)
    print((figures + "   " + demand.padded(16) + verdict).trimmed)
    // Seen at once also where the output is piped.
    fflush(nil)
  }
}

extension String {
  /// Filled with spaces to `width` letters: on the right, or on the left where the width is negative.
  fileprivate func padded(_ width: Int) -> String {
    let spaces = String(repeating: " ", count: max(0, abs(width) - count))
    return width < 0 ? spaces + self : self + spaces
  }

  fileprivate var trimmed: Substring { self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)] }
}

extension Double {
  package func formatted(decimals: Int) -> String { formatted("%.\(decimals)f") }
  package func formatted(significantDigits: Int) -> String { formatted("%.\(significantDigits)g") }

  private func formatted(_ format: String) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    _ = withVaList([self]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress.unsafelyUnwrapped) }
  }
}
