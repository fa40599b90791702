import CWorkers

/// What a process had used when it ended.
///
/// The corresponding C structure is `struct rusage`.
public struct ResourceUsage: Hashable, Sendable {
  /// The most memory it had resident, in bytes, shared pages included.
  public let maximumResidentBytes: Int

  /// CPU time in its own code.
  public let userTime: Duration

  /// CPU time in the kernel on its behalf.
  public let systemTime: Duration

  init(maximumResidentBytes: Int, userTime: Duration, systemTime: Duration) {
    self.maximumResidentBytes = maximumResidentBytes
    self.userTime = userTime
    self.systemTime = systemTime
  }

  init(_ change: cw_change) {
    let (bytes, overflow) = change.resident_kilobytes.multipliedReportingOverflow(by: 1024)
    maximumResidentBytes = overflow ? .max : bytes
    userTime = .microseconds(change.user_microseconds)
    systemTime = .microseconds(change.system_microseconds)
  }
}
