/// What a worker process may use, and where it differs from its parent.
package struct WorkerProcessConfiguration: Sendable {
  package var limits = WorkerLimits()

  /// Added to the parent's niceness, as `nice` does.
  package var niceness: CInt = 0

  /// Variables to set, and those with `nil` to remove. The rest is the environment that the fork server was started with.
  package var environment: [String: String?] = [:]

  package var standardOutput = WorkerOutput.inherit
  package var standardError = WorkerOutput.inherit

  package init() {}
}

/// Limits of one worker process; `nil` leaves what its parent has. They only ever lower a limit.
public struct WorkerLimits: Hashable, Sendable {
  /// Bytes of memory that it may write to: heap, stacks and private mappings (`RLIMIT_DATA`).
  public var dataBytes: UInt64?

  /// Seconds of CPU time; past them SIGXCPU ends it (`RLIMIT_CPU`).
  public var processorSeconds: UInt64?

  /// The highest descriptor's number, and 1 (`RLIMIT_NOFILE`).
  public var openFiles: UInt64?

  /// Bytes of address space (`RLIMIT_AS`). Swift alone takes 100 to 240 MB of it.
  public var addressSpaceBytes: UInt64?

  public init(
    dataBytes: UInt64? = nil, processorSeconds: UInt64? = nil, openFiles: UInt64? = nil,
    addressSpaceBytes: UInt64? = nil
  ) {
    self.dataBytes = dataBytes
    self.processorSeconds = processorSeconds
    self.openFiles = openFiles
    self.addressSpaceBytes = addressSpaceBytes
  }
}

/// What becomes of what a worker writes to its standard output, or error.
public enum WorkerOutput: Hashable, Sendable {
  /// It goes where the parent's went when the fork server was started.
  case inherit

  /// Nobody sees it.
  case drop

  /// The parent keeps the last bytes of it. It costs the parent a descriptor a worker.
  case collect(lastBytes: Int = 16384)
}
