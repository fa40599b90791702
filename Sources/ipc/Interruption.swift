import CInterprocess
import Glibc
import Synchronization

/// SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGPIPE end the program in order: whatever runs notices, and what it holds is released.
enum Interruption {
  /// The signal that ends the program.
  struct Signalled: Error {
    let signal: CInt

    /// What a shell reports for a program that a signal ended.
    var exitCode: CInt { 128 + signal }
  }

  private static let caught = Atomic<CInt>(0)
  private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE]

  /// SIG_IGN, which Swift cannot compare with a handler.
  private static let ignored = 1

  static func startCatching() {
    // Read once before a handler can: its first use initialises it, which a handler may not do.
    _ = caught.load(ordering: .relaxed)
    for number in signals {
      if isIgnored(number) { continue }
      // By sigaction, after which a blocked write is not begun again, as it is after signal.
      _ = ci_sigaction_handler(number, { Interruption.caught.store($0, ordering: .relaxed) }, nil)
    }
  }

  /// Signals end the program at once: in a forked child, and where there is nothing to put in order any more.
  static func stopCatching() {
    for number in signals where !isIgnored(number) { signal(number, SIG_DFL) }
  }

  /// Whoever started the program with a signal ignored (nohup) wants it so.
  private static func isIgnored(_ number: CInt) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    // SIG_IGN is the number 1 in the place of a function, and functions cannot be compared.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == ignored
  }

  /// In a forked child whose parent ends it in order.
  static func ignore() {
    for number in signals { signal(number, SIG_IGN) }
  }

  /// - Throws: ``Signalled`` once one of the signals has come.
  static func check() throws {
    if let signalled { throw signalled }
  }

  /// `nil` as long as none has come.
  static var signalled: Signalled? {
    let signal = caught.load(ordering: .relaxed)
    return signal == 0 ? nil : Signalled(signal: signal)
  }
}
