import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// What both sides do alike: tell the other one of a change, and wait for one.
///
/// Waiting is: look, spin for as long as that has paid off lately, ask to be woken, look once more, sleep.
struct RingLink: ~Copyable {
  let own: RingSide
  let peer: RingSide
  let place: RingPlace
  let interrupter: RingInterrupter
  /// Whether publishing needs no fence: the ring's waiters call membarrier, and this process is registered for it.
  private let isLight: Bool
  private var spin = RingSpin()
  private var waits: UInt8 = 0

  private static let lineByteCount = 64

  init(
    _ place: RingPlace, own: RingSide, peer: RingSide, bell: consuming RingBell?, peerBell: consuming RingBell?,
    _ who: StaticString
  ) throws(InterprocessError) {
    // Pairs with the releasing store in close(): after a side that closed, its index stays as it is.
    let (isFirst, found) = own.state.pointee.compareExchange(
      expected: RingSide.absent, desired: RingSide.attached, ordering: .acquiringAndReleasing)
    guard isFirst else {
      let why = found == RingSide.closed ? "its \(who) has closed already" : "it has a \(who) already"
      throw InterprocessError(call: "Ring", object: place.described, errno: .resourceBusy, remedy: why)
    }
    reach(.attaching)
    self.place = place
    self.own = own
    self.peer = peer
    isLight = place.isAsymmetric && RingBarrier.isAvailable
    interrupter = RingInterrupter(place, own, bell: bell, peerBell: peerBell)
  }

  /// Whether the peer has closed. Read it before the peer's index: an index that is read later includes everything.
  // Pairs with the releasing store in close().
  @inline(__always)
  var isPeerClosed: Bool { peer.state.pointee.load(ordering: .acquiring) == RingSide.closed }

  /// Makes what was written before visible as far as `index`, and wakes the peer if it waits.
  @inline(__always)
  func publish(_ index: UInt64) {
    reach(.beforeIndex)
    // Pairs with the acquiring loads of the peer's index: in refill(), room(for:) and hasChanged(from:).
    own.index.pointee.store(index, ordering: .releasing)
    notify()
  }

  @inline(__always)
  private func notify() {
    // Pairs with heavy() in ask(): either this look sees the request, or the peer's last look sees the index, but for a peer
    // that spares the barrier and naps shortly.
    RingBarrier.light(isEnough: isLight)
    reach(.beforeLook)
    // Not a function of this value: for one that is not inlined all of it would be copied, each time.
    if peer.waiting.pointee.load(ordering: .relaxed) != 0 { interrupter.wake(peer, from: own) }
  }

  /// Says that no more comes from this side.
  func close() {
    reach(.beforeClosing)
    // Pairs with the acquiring load in isPeerClosed.
    own.state.pointee.store(RingSide.closed, ordering: .releasing)
    reach(.closed)
    notify()
  }
}

extension RingLink {
  /// Whether there is anything new since the peer's index was `seen`.
  @inline(__always)
  func hasChanged(from seen: UInt64) -> Bool {
    // Pairs with the releasing store in publish().
    peer.index.pointee.load(ordering: .acquiring) != seen || isPeerClosed || interrupter.isRaised
  }

  /// Returns when the peer's index is not `seen` any more, the peer has closed or died, or, rarely, for nothing. A look
  /// in vain comes before.
  ///
  /// - Parameter record: what the peer writes before its index, if it is to be read then.
  /// - Throws: `Errno.timedOut`; `Errno.canceled`.
  @inline(never)
  mutating func waitForChange(
    from seen: UInt64, by deadline: Deadline, for record: UnsafeRawPointer? = nil, _ call: StaticString
  ) throws(InterprocessError) {
    try checkForCancellation(call)
    // Before any look: a hostile peer can have something change each time, and nothing come of it.
    if deadline.hasPassed { throw timedOut(call) }
    if hasChanged(from: seen) { return }
    let start = MonotonicTime.now
    if spins(until: seen, from: start, for: record) { return }
    interrupter.sleeps { sleepUntilChange(from: seen, by: deadline) }
    // Relaxed: if the peer has exchanged it meanwhile, its system call wakes nobody.
    own.waiting.pointee.store(0, ordering: .relaxed)
    spin.slept(since: start)
    try checkForCancellation(call)
    if !hasChanged(from: seen) { throw timedOut(call) }
  }

  @inline(__always)
  private func sleepUntilChange(from seen: UInt64, by deadline: Deadline) {
    var first = place.isAsymmetric && own.sharesProcessor(with: peer) ? RingNap.firstOnOneProcessor : nil
    while true {
      let isCertain = ask(for: RingSide.asleep, sparingBarrier: first != nil)
      reach(.beforeLastLook)
      if hasChanged(from: seen) { return }
      let nap = isCertain ? nil : first ?? RingBarrier.napWithout
      first = nil
      reach(.beforeSleep)
      deadline.sleep(on: own.waiting, while: RingSide.asleep, atMost: nap)
      reach(.afterSleep)
      if hasChanged(from: seen) || deadline.hasPassed { return }
    }
  }

  private func timedOut(_ call: StaticString) -> InterprocessError {
    InterprocessError(call: "\(call)", object: place.described, errno: .timedOut)
  }

  /// Asks the peer to wake this side, or to ring its bell, at its next change. Look once more before you wait.
  ///
  /// - Returns: whether a change after that look is certain to wake.
  private func ask(for request: UInt32, sparingBarrier isSpared: Bool = false) -> Bool {
    self.request(request)
    reach(.beforeBarrier)
    return RingBarrier.heavy(isAsymmetric: place.isAsymmetric, isSpared: isSpared)
  }

  /// Looks for a change for a while, if that is worth its while.
  mutating func spins(until seen: UInt64, from start: Int64, for record: UnsafeRawPointer?) -> Bool {
    guard spin.begins(own: own, peer: peer) else { return false }
    repeat {
      for _ in 0..<RingSpin.looksAtOnce {
        if looks(from: seen, for: record) {
          spin.paidOff()
          return true
        }
        ci_spin_pause()
      }
    } while spin.goesOn(since: start)
    return false
  }

  /// Looks for a change once, while spinning.
  @inline(__always)
  func looks(from seen: UInt64, for record: UnsafeRawPointer?) -> Bool {
    if hasChanged(from: seen) { return true }
    // A short record's lines come together with the index's then, and not after it.
    if let record {
      ci_prefetch(record)
      ci_prefetch(record + Self.lineByteCount)
    }
    return false
  }

  /// The request alone; a barrier has to follow.
  func request(_ request: UInt32) {
    reach(.beforeFlag)
    own.waiting.pointee.store(request, ordering: .relaxed)
  }

  /// Asks for the bell. See ``RingConsumer/armBell()``.
  ///
  /// - Returns: whether nothing has changed: the bell is worth waiting for.
  func armBell(from seen: UInt64, _ call: StaticString) throws(InterprocessError) -> Bool {
    switch try requestBell(from: seen, call) {
    case .changed: return false
    case .certain: return true
    case .uncertain:
      own.waiting.pointee.store(0, ordering: .relaxed)
      throw InterprocessError(call: "membarrier", object: place.described, errno: .notSupported)
    }
  }

  private func requestBell(from seen: UInt64, _ call: StaticString) throws(InterprocessError) -> BellRequest {
    guard bell.rawValue >= 0 else {
      throw .refused(call, place.described, "this side was attached without a bell; give it an EventCounter")
    }
    let isCertain = ask(for: RingSide.armed)
    reach(.beforeLastLook)
    if !hasChanged(from: seen) { return isCertain ? .certain : .uncertain }
    // Relaxed, here and after the wait: who has taken the request meanwhile rings for nothing, and the bell is looked at again.
    own.waiting.pointee.store(0, ordering: .relaxed)
    return .changed
  }

  /// Suspends until the bell rings, the deadline passes or the task is cancelled. A look in vain comes before.
  nonisolated(nonsending) mutating func suspend(
    from seen: UInt64, by deadline: Deadline, for record: UnsafeRawPointer? = nil, _ call: StaticString
  ) async throws {
    try checkForCancellation(call)
    // Before any look, as above.
    try Task.checkCancellation()
    if deadline.hasPassed { throw timedOut(call) }
    // A hostile peer can have every wait end at once, for nothing: other tasks need this thread as well.
    waits &+= 1
    if waits % 16 == 0 { await Task.yield() }
    if spins(until: seen, from: MonotonicTime.now, for: record) { return }
    let start = MonotonicTime.now
    let request = try requestBell(from: seen, call)
    if request == .changed { return }
    defer {
      own.waiting.pointee.store(0, ordering: .relaxed)
      spin.slept(since: start)
    }
    let bell = bell
    try await waitForBell(request, by: deadline) { try await becomeReady(bell, .readable, by: $0, for: call) }
    silenceBell()
  }

  private func checkForCancellation(_ call: StaticString) throws(InterprocessError) {
    if interrupter.isCancelled {
      throw InterprocessError(call: "\(call)", object: place.described, errno: .canceled)
    }
  }
}

extension RingLink {
  var bell: FileDescriptor { interrupter.bellDescriptor }

  func silenceBell() { interrupter.silenceBell() }
}

extension RingPlace {
  /// The other side's process is gone without having closed.
  func peerDied(_ call: StaticString) -> InterprocessError {
    InterprocessError(
      call: "\(call)", object: described, errno: .connectionReset,
      remedy: "the process at the other end has died; make a new ring with its successor")
  }

  /// The other side has written what no producer or consumer writes.
  func broken(_ call: StaticString, _ what: String) -> InterprocessError {
    InterprocessError(
      call: "\(call)", object: described, errno: .badMessage,
      remedy: "the process at the other end has written \(what); do without it")
  }
}
