/// What a figure has to be.
package enum Demand: CustomStringConvertible {
  case atMost(Double)
  case atLeast(Double)
  /// Printed for comparison.
  case none

  /// - Returns: `nil` where nothing is demanded.
  package func isMet(by value: Double) -> Bool? {
    switch self {
    case .atMost(let limit): value <= limit
    case .atLeast(let limit): value >= limit
    case .none: nil
    }
  }

  package var description: String {
    switch self {
    case .atMost(let limit): "at most \(limit.formatted(significantDigits: 3))"
    case .atLeast(let limit): "at least \(limit.formatted(significantDigits: 3))"
    case .none: ""
    }
  }
}
