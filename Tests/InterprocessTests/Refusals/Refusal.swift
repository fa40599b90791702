import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Expects that a call is refused for a reason, and that a person is told which call it was, why, and what to do.
///
/// - Parameters:
///   - remedy: a part of it; `nil` where there is none.
///   - afterClosing: whether it is refused because something was closed: a program that another test starts has a copy
///     of it for a moment.
func expectRefusal(
  _ call: String, _ reason: Errno, _ remedy: String?, afterClosing: Bool = false,
  sourceLocation: SourceLocation = #_sourceLocation, by body: () throws -> Void
) {
  let deadline = ContinuousClock.now + generous
  do {
    try body()
    while afterClosing, ContinuousClock.now < deadline { try body() }
    Issue.record("\(call) was not refused", sourceLocation: sourceLocation)
  } catch let error as InterprocessError {
    let message = "\(error)"
    #expect(error.call == call && error.errno == reason, "\(message)", sourceLocation: sourceLocation)
    #expect(message.hasPrefix(call) && message.contains(": \(reason)"), "\(message)", sourceLocation: sourceLocation)
    if let remedy {
      #expect(
        message.contains(": \(reason): ") && message.contains(remedy), "\(message)", sourceLocation: sourceLocation)
    } else {
      #expect(error.remedy == nil, "\(message)", sourceLocation: sourceLocation)
    }
  } catch {
    Issue.record("\(call) was refused with \(error)", sourceLocation: sourceLocation)
  }
}

/// What the helper said about the calls of one of its scenarios: `LABEL|ERRNO|MESSAGE` each.
struct Refusals {
  private var told: [String: (reason: CInt, message: String)] = [:]

  init(_ lines: [String]) {
    for line in lines {
      let fields = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      if fields.count == 3, let reason = CInt(fields[1]) { told[fields[0]] = (reason, fields[2]) }
    }
  }

  /// Runs a scenario in a process of its own.
  static func run(_ scenario: String) throws -> Refusals {
    let command = try Command.run(helper, [scenario], timeout: .seconds(60))
    guard command.exitCode == 0 else { throw Command.Failure("\(command.output) \(command.errors)") }
    return Refusals(command.lines)
  }

  static var helper: String { Package.program("forked-process-helper") }

  var labels: [String] { told.keys.sorted() }

  func message(_ label: String) -> String? { told[label]?.message }

  func reason(_ label: String) -> CInt? { told[label]?.reason }

  /// Expects that a call was refused for a reason, with a message that has a part; or that it was not refused.
  func expect(_ label: String, _ reason: Errno?, _ part: String = "", sourceLocation: SourceLocation = #_sourceLocation)
  {
    guard let (number, message) = told[label] else {
      Issue.record("nothing was told about \(label)", sourceLocation: sourceLocation)
      return
    }
    #expect(number == reason?.rawValue ?? 0, "\(label): \(message)", sourceLocation: sourceLocation)
    #expect(message.contains(part), "\(label): \(message)", sourceLocation: sourceLocation)
    if let reason { #expect(message.contains(": \(reason)"), "\(label): \(message)", sourceLocation: sourceLocation) }
  }
}
