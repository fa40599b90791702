import CInterprocess
import Glibc

/// Says on a terminal how far a long run is; says nothing where there is no terminal.
final class Progress {
  private let label: String
  private let unit: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private var hasWritten = false

  init(_ label: String, unit: String = "workers") {
    self.label = label
    self.unit = unit
    isShown = isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
  }

  func show(_ done: Int, of total: Int) {
    let elapsed = ContinuousClock.now - start
    guard isShown, elapsed > .milliseconds(500) else { return }
    printToStandardError("\r\u{1B}[K\(label): \(done) of \(total) \(unit) done, \(elapsed.components.seconds) s")
    hasWritten = true
  }

  func clear() {
    if hasWritten { printToStandardError("\r\u{1B}[K") }
  }
}
