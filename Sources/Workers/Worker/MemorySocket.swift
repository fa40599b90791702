import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The worker's end of the socket by which memory comes and goes beside the channel: blocks of the pool's ``Arena``, and the
/// descriptors of values in calls and results. Nobody watches it; a call that needs something looks.
final class MemorySocket: Sendable {
  private struct State: Emptiable {
    /// Of a word that has not come in full.
    var rest: [UInt8] = []
    var arena: WorkerArena?
    /// Of values in calls, in the order they came.
    var descriptors: [(call: UInt64, descriptor: CInt)] = []
    /// The call whose result the pool has let go last.
    var released: UInt64?
    /// A word has come for whose descriptor there was no room.
    var hasLost = false

    /// Whether there is nothing to be closed.
    var isEmpty: Bool { descriptors.isEmpty }
  }

  private static let patience = Duration.seconds(10)
  /// The socket holds some 240 words with descriptors, and nobody reads them before the result comes.
  static let mostInResult = 128

  private let socket: UnixSocket
  /// A shared array that comes with many calls is mapped once.
  let recent = RecentMemory()
  private let state = Mutex(State())
  private let mark = FillMark()

  init(_ socket: consuming UnixSocket) { self.socket = socket }

  var arena: WorkerArena? {
    get { state.withLock(marking: mark) { $0.arena } }
    set { state.withLock(marking: mark) { $0.arena = newValue } }
  }

  /// Takes all that has come.
  ///
  /// - Returns: whether more may come.
  @discardableResult
  func take() -> Bool {
    while true {
      switch takeNext() {
      case .something: continue
      case .nothing: return true
      case .end: return false
      }
    }
  }

  private enum Taken {
    case something
    case nothing
    /// Nothing more comes.
    case end
  }

  /// Takes what one read brings: it ends with a word that has a descriptor. One thread at a time, so that a word's
  /// descriptor is not taken for another's.
  private func takeNext() -> Taken {
    state.withLock(marking: mark) { state in
      var received = ReceivedDescriptors(atMost: 64)
      do throws(InterprocessError) {
        guard let bytes = try socket.tryRead(upTo: 1024, receiving: &received) else { return .nothing }
        if bytes.isEmpty { return .end }
        state.rest += bytes
        for word in ControlWord.takeAll(from: &state.rest) { take(word, &received, &state) }
      } catch {
        if error.errno != .tooManyOpenFiles { return .end }
        state.hasLost = true
        recent.removeAll()
      }
      return .something
    }
  }

  private func take(_ word: ControlWord, _ received: inout ReceivedDescriptors, _ state: inout State) {
    switch word {
    case .block(let block): if let descriptor = received.takeFirst() { state.arena?.adopt(block, descriptor) }
    case .descriptor(let call):
      if let descriptor = received.takeFirst() { state.descriptors.append((call, descriptor.release().rawValue)) }
    case .release(let call): state.released = call
    case .cancel, .drop: break
    }
  }

  /// Takes what comes, until `isThere`, or for as long as patience lasts.
  ///
  /// - Returns: whether it is there.
  func await(until isThere: () -> Bool) -> Bool {
    let end = ContinuousClock.now + Self.patience
    var isLost = false
    while !isThere() {
      let taken = takeNext()
      // What has come is taken first: maybe what was lost was another call's.
      isLost = hasLost() || isLost
      if taken == .something { continue }
      if isThere() { break }
      if taken == .end || isLost || ContinuousClock.now > end { return false }
      // Not for long: another thread may have taken it since.
      var entry = pollfd(fd: socket.fileDescriptor.rawValue, events: CShort(POLLIN), revents: 0)
      poll(&entry, 1, 1)
    }
    return true
  }

  /// Whether a descriptor has found no room since this was asked last.
  private func hasLost() -> Bool {
    state.withLock(marking: mark) { state in
      defer { state.hasLost = false }
      return state.hasLost
    }
  }

  /// The descriptors of the values in a call: they were sent before the call was.
  ///
  /// - Returns: `nil` when there are none.
  func descriptors(of call: UInt64, count: Int) throws -> ArrivedDescriptors? {
    if count == 0 {
      // Before the call runs: it may take its time.
      recent.removeAll()
      return nil
    }
    guard self.await(until: { state.withLock(marking: mark) { $0.descriptors.count { $0.call == call } } >= count })
    else {
      throw WorkerCallError("a shared array's memory did not reach the worker")
    }
    let taken = state.withLock(marking: mark) { state in
      defer { state.descriptors.removeAll { $0.call == call } }
      return state.descriptors.compactMap { $0.call == call ? $0.descriptor : nil }
    }
    return ArrivedDescriptors(adopting: taken, recent)
  }

  /// A call is over: closes what nobody took, that of earlier calls which came late as well.
  func endCall() {
    recent.endCall()
    if mark.isEmpty { return }
    let left = state.withLock(marking: mark) { state in
      defer { state.descriptors = [] }
      return state.descriptors.map(\.descriptor)
    }
    _ = ArrivedDescriptors(adopting: left)
  }

  /// Whether the pool needs the memory that a call's result lies in no more.
  func hasReleased(_ call: UInt64) -> Bool {
    take()
    return state.withLock(marking: mark) { $0.released == call }
  }

  /// Gives the pool the descriptors of the values in a result, which is to be sent then.
  func pass(_ passed: PassedDescriptors, call: UInt64) throws(InterprocessError) {
    for descriptor in passed.fileDescriptors { try pass(descriptor, call: call) }
  }

  func pass(_ descriptor: FileDescriptor, call: UInt64) throws(InterprocessError) {
    try socket.write(ControlWord.descriptor(call).bytes, passing: [descriptor])
  }
}
