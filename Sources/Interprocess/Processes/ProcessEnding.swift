import CInterprocess
import Glibc

/// How a process ended.
public enum ProcessEnding: Hashable, Sendable {
  /// It ended by itself, with this exit code: 0 for success.
  case exited(CInt)

  /// A signal ended it.
  case signalled(CInt, coreDumped: Bool)

  public var isSuccess: Bool { self == .exited(0) }

  /// What `waitid` says of a child: `si_code` and `si_status`.
  init(childCode code: CInt, status: CInt) {
    self = code == CLD_EXITED ? .exited(status) : .signalled(status, coreDumped: code == CLD_DUMPED)
  }

  package init(waitStatus status: CInt) {
    self =
      ci_wait_signalled(status)
      ? .signalled(ci_wait_signal(status), coreDumped: ci_wait_core_dumped(status))
      : .exited(ci_wait_exit_code(status))
  }
}

extension ProcessEnding: CustomStringConvertible {
  /// `exited with code 1`, or `was killed by signal 9 (SIGKILL)`.
  public var description: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .signalled(let signal, let coreDumped):
      "was killed by signal \(signal)\(Self.name(of: signal))\(coreDumped ? ", core dumped" : "")"
    }
  }

  private static func name(of signal: CInt) -> String {
    guard let abbreviation = ci_signal_abbreviation(signal) else { return "" }
    return " (SIG\(String(cString: abbreviation)))"
  }
}
