import CInterprocess
// Public, as what mostly happens is inlined into the program: see valueOrErrno.
public import Glibc
import SystemPackage

/// A 64-bit counter in the kernel, with a descriptor that is readable while the counter is above 0: one side adds, the
/// other waits and takes. It rings a bell for an event loop, between threads or between processes that share it by
/// `fork` or as a passed descriptor.
///
/// Its descriptor does not block: a C peer that reads it waits with `poll` first.
public struct EventCounter: ~Copyable, Sendable {
  /// What taking takes.
  public enum Mode: Hashable, Sendable {
    /// All of it: the counter is 0 afterwards.
    case everything

    /// One: a semaphore.
    case semaphore
  }

  public private(set) var descriptor: OwnedDescriptor

  /// Whether it came from elsewhere and blocks; whoever shares it may count on that, so it stays so.
  @usableFromInline let mayBlock: Bool

  /// Creates a counter. It is closed in programs that this process executes.
  ///
  /// The corresponding C function is `eventfd`.
  ///
  /// - Throws: `Errno.tooManyOpenFiles` when the process may have no more descriptors.
  public init(initialValue: UInt32 = 0, taking mode: Mode = .everything) throws(InterprocessError) {
    let flags = ci_eventfd_nonblocking_flags() | (mode == .semaphore ? ci_eventfd_semaphore_flag() : 0)
    descriptor = OwnedDescriptor(adopting: try systemCall("eventfd", nil) { ci_eventfd(initialValue, flags) })
    mayBlock = false
  }

  /// Takes over an eventfd that came from elsewhere. It is left as blocking or not as it is.
  public init(adopting descriptor: consuming OwnedDescriptor) {
    mayBlock = fcntl(descriptor.rawValue, F_GETFL) & O_NONBLOCK == 0
    self.descriptor = descriptor
  }

  /// Adds to the counter, unless that would wait.
  ///
  /// The corresponding C function is `write`.
  ///
  /// - Returns: whether it was added: not when the counter would pass 2^64 - 2.
  /// - Throws: `Errno.invalidArgument` for 2^64 - 1.
  public func tryAdd(_ amount: UInt64 = 1) throws(InterprocessError) -> Bool {
    if amount == UInt64.max || mayBlock { return try tryAddCarefully(amount) }
    var amount = amount
    switch valueOrErrno({ Glibc.write(descriptor.rawValue, &amount, 8) }) {
    case .success: return true
    case .failure(.wouldBlock): return false
    case .failure(let reason): throw failure("write", reason)
    }
  }

  private func tryAddCarefully(_ amount: UInt64) throws(InterprocessError) -> Bool {
    guard amount < UInt64.max else { throw .refused("write", described, "a counter goes up to 2^64 - 2") }
    var amount = amount
    // The kernel tells when a counter has room for 1, not for more: writing to one that blocks has to be interrupted.
    switch InterruptTimer.call(until: .passed, { Glibc.write(descriptor.rawValue, &amount, 8) }) {
    case .success: return true
    case .failure(.wouldBlock), .failure(.timedOut): return false
    case .failure(let reason): throw failure("write", reason)
    }
  }

  private func failure(_ call: StaticString, _ reason: Errno) -> InterprocessError {
    InterprocessError(call: "\(call)", object: described, errno: reason)
  }

  /// Adds 1, whatever another user of the counter does to have this wait; one that came blocking stays so.
  func ring() {
    if mayBlock { _ = try? tryAddCarefully(1) } else { descriptor.addToCounter(1) }
  }

  /// Adds to the counter. It waits only when the counter would pass 2^64 - 2.
  ///
  /// The corresponding C function is `write`.
  ///
  /// - Parameter timeout: how long to wait for somebody to take; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.invalidArgument` for 2^64 - 1.
  @inlinable
  public func add(_ amount: UInt64 = 1, timeout: Duration? = nil) throws(InterprocessError) {
    var adding = amount
    if _fastPath(!mayBlock && Glibc.write(descriptor.rawValue, &adding, 8) == 8) { return }
    try addWaiting(amount, timeout)
  }

  @usableFromInline
  func addWaiting(_ amount: UInt64, _ timeout: Duration?) throws(InterprocessError) {
    let deadline = Deadline(timeout)
    while try !tryAdd(amount) {
      if deadline.hasPassed { throw InterprocessError(call: "write", object: described, errno: .timedOut) }
      // The kernel tells when there is room for 1, not for more.
      usleep(1000)
    }
  }

  /// Adds to the counter; the task is suspended while the counter would pass 2^64 - 2. See ``add(_:timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was added.
  public nonisolated(nonsending) func add(_ amount: UInt64 = 1, timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while try !tryAdd(amount) {
      if deadline.hasPassed { throw InterprocessError(call: "write", object: described, errno: .timedOut) }
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// Takes from the counter, unless it is 0.
  ///
  /// The corresponding C function is `read`, or `preadv2` with `RWF_NOWAIT` where the counter came from elsewhere and
  /// blocks.
  ///
  /// - Returns: what was taken: everything, or 1 of a semaphore; `nil` when the counter is 0.
  public func tryTake() throws(InterprocessError) -> UInt64? {
    var taken: UInt64 = 0
    let result =
      mayBlock
      ? descriptor.takeFromCounter(into: &taken) : valueOrErrno { Glibc.read(descriptor.rawValue, &taken, 8) }
    switch result {
    case .success: return taken
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw failure("read", reason)
    }
  }

  /// Takes from the counter, waiting until it is above 0.
  ///
  /// The corresponding C functions are `read` and `poll`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Returns: what was taken: everything, or 1 of a semaphore.
  /// - Throws: `Errno.timedOut` when nothing was added.
  @inlinable
  public func take(timeout: Duration? = nil) throws(InterprocessError) -> UInt64 {
    var taken: UInt64 = 0
    if _fastPath(!mayBlock && Glibc.read(descriptor.rawValue, &taken, 8) == 8) { return taken }
    return try takeWaiting(timeout)
  }

  @usableFromInline
  func takeWaiting(_ timeout: Duration?) throws(InterprocessError) -> UInt64 {
    let deadline = Deadline(timeout)
    while true {
      if let taken = try tryTake() { return taken }
      try waitUntilReady(descriptor.fileDescriptor, .readable, by: deadline, for: "read")
    }
  }

  /// Takes from the counter; the task is suspended until it is above 0. See ``take(timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was taken.
  public nonisolated(nonsending) func take(timeout: Duration? = nil) async throws -> UInt64 {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let taken = try tryTake() { return taken }
      try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "read")
    }
  }

  /// Waits until the counter is above 0, and takes nothing.
  ///
  /// The corresponding C function is `poll`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut` when nothing was added.
  public func wait(timeout: Duration? = nil) throws(InterprocessError) {
    try waitUntilReady(descriptor.fileDescriptor, .readable, by: Deadline(timeout), for: "poll")
  }

  /// Suspends the task until the counter is above 0, and takes nothing. See ``wait(timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) func wait(timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    if try descriptor.wait(until: .readable, by: Deadline(.zero)) { return }
    try await becomeReady(descriptor.fileDescriptor, .readable, by: Deadline(timeout), for: "poll")
  }

  private var described: String { "eventfd \(descriptor.rawValue)" }
}
