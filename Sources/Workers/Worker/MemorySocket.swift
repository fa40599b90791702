import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The worker's end of the socket by which memory comes and goes beside the channel: blocks of the pool's ``Arena``, and the
/// descriptors of values in calls and results. Nobody watches it; a call that needs something looks.
final class MemorySocket: Sendable {
  private struct State {
    /// Of a word that has not come in full.
    var rest: [UInt8] = []
    var arena: WorkerArena?
    /// Of values in calls, in the order they came.
    var descriptors: [(call: UInt64, descriptor: CInt)] = []
  }

  private static let patience = Duration.seconds(10)

  private let socket: UnixSocket
  private let state = Mutex(State())

  init(_ socket: consuming UnixSocket) { self.socket = socket }

  var arena: WorkerArena? {
    get { state.withLock { $0.arena } }
    set { state.withLock { $0.arena = newValue } }
  }

  /// Takes what has come. One thread at a time, so that a word's descriptor is not taken for another's.
  func take() {
    state.withLock { state in
      var received = ReceivedDescriptors(atMost: 64)
      guard let bytes = try? socket.read(upTo: 1024, receiving: &received, timeout: .zero) else { return }
      state.rest += bytes
      for word in ControlWord.takeAll(from: &state.rest) {
        switch word {
        case .block(let block): if let descriptor = received.takeFirst() { state.arena?.adopt(block, descriptor) }
        case .descriptor(let call):
          if let descriptor = received.takeFirst() { state.descriptors.append((call, descriptor.release().rawValue)) }
        case .cancel, .drop: break
        }
      }
    }
  }

  /// Takes what comes, until `isThere`, or for as long as patience lasts.
  ///
  /// - Returns: whether it is there.
  func await(until isThere: () -> Bool) -> Bool {
    let end = ContinuousClock.now + Self.patience
    while !isThere() {
      take()
      if isThere() { break }
      if ContinuousClock.now > end { return false }
      var entry = pollfd(fd: socket.fileDescriptor.rawValue, events: CShort(POLLIN), revents: 0)
      poll(&entry, 1, 100)
    }
    return true
  }

  /// The descriptors of the values in a call: they were sent before the call was.
  func descriptors(of call: UInt64, count: Int) throws -> ArrivedDescriptors {
    guard self.await(until: { state.withLock { $0.descriptors.count { $0.call == call } } >= count }) else {
      throw WorkerCallError("a shared array's memory did not reach the worker")
    }
    return ArrivedDescriptors(adopting: takeDescriptors(of: call))
  }

  /// The call is over: closes what nobody took.
  func endCall(_ call: UInt64) { _ = ArrivedDescriptors(adopting: takeDescriptors(of: call)) }

  private func takeDescriptors(of call: UInt64) -> [CInt] {
    state.withLock { state in
      if state.descriptors.isEmpty { return [] }
      defer { state.descriptors.removeAll { $0.call == call } }
      return state.descriptors.compactMap { $0.call == call ? $0.descriptor : nil }
    }
  }

  /// Gives the pool the descriptors of the values in a result, which is to be sent then.
  func pass(_ passed: PassedDescriptors, call: UInt64) throws(InterprocessError) {
    for descriptor in passed.fileDescriptors { try pass(descriptor, call: call) }
  }

  func pass(_ descriptor: FileDescriptor, call: UInt64) throws(InterprocessError) {
    try socket.write(ControlWord.descriptor(call).bytes, passing: [descriptor])
  }
}
