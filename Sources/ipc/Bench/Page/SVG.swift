import CInterprocess
import Glibc

/// Pieces of a drawing.
struct SVG {
  private(set) var content = ""
  let width: Double
  let height: Double
  private let label: String

  /// - Parameter label: what the drawing shows, for those who do not see it.
  init(width: Double, height: Double, label: String) {
    self.width = width
    self.height = height
    self.label = label
  }

  var text: String {
    """
    <svg viewBox="0 0 \(number(width)) \(number(height))" width="\(number(width))" role="img" \
    aria-label="\(label.escapedForHTML)">\(content)</svg>
    """
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    content += """
      <line x1="\(number(x1))" y1="\(number(y1))" x2="\(number(x2))" y2="\(number(y2))" class="\(style)"/>
      """
  }

  /// - Parameter title: what is shown when pointed at.
  mutating func bar(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, title: String) {
    content += """
      <rect x="\(number(x))" y="\(number(y))" width="\(number(max(0, width)))" height="\(number(height))" \
      class="\(style)"><title>\(title.escapedForHTML)</title></rect>
      """
  }

  mutating func dot(_ x: Double, _ y: Double, _ style: String, title: String) {
    content += """
      <circle cx="\(number(x))" cy="\(number(y))" r="3" class="\(style)"><title>\(title.escapedForHTML)</title></circle>
      """
  }

  mutating func path(_ points: [(x: Double, y: Double)], _ style: String) {
    if points.isEmpty { return }
    let places = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    content += "<polyline points=\"\(places)\" class=\"\(style)\"/>"
  }

  enum Anchor: String {
    case start
    case middle
    case end
  }

  mutating func words(_ x: Double, _ y: Double, _ text: String, _ style: String, _ anchor: Anchor = .start) {
    content += """
      <text x="\(number(x))" y="\(number(y))" class="\(style)" text-anchor="\(anchor.rawValue)">\
      \(text.escapedForHTML)</text>
      """
  }

  private func number(_ value: Double) -> String { formatted("%.1f", value) }
}

/// A scale of powers of ten, between the first at or below all values and the first at or above.
struct LogScale {
  let powers: ClosedRange<Int>

  /// - Returns: `nil` where there is nothing to show.
  init?(_ values: some Sequence<Double>) {
    let values = values.filter { $0 > 0 && $0.isFinite }
    guard let least = values.min(), let most = values.max() else { return nil }
    let low = Int(Self.log10(least).rounded(.down))
    powers = low...max(low + 1, Int(Self.log10(most).rounded(.up)))
  }

  /// From 0, the lowest power, to 1, the highest.
  func place(_ value: Double) -> Double {
    let height = Self.log10(max(value, 1e-30)) - Double(powers.lowerBound)
    let place = height / Double(powers.count - 1)
    return min(1, max(0, place))
  }

  var ticks: [Double] { powers.map { Self.power($0) } }

  private static func power(_ exponent: Int) -> Double {
    pow(10, Double(exponent))
  }

  private static func log10(_ value: Double) -> Double { Glibc.log10(value) }
}

extension String {
  var escapedForHTML: String {
    var text = ""
    for letter in self {
      switch letter {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      default: text.append(letter)
      }
    }
    return text
  }
}
