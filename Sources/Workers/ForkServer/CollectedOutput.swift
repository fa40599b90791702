import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The parent's end of a pipe that a worker writes to, and the last bytes that came through it.
final class CollectedOutput: Sendable {
  fileprivate struct State: ~Copyable {
    var pipe: OwnedDescriptor?
    var bytes: [UInt8] = []
    var hasDropped = false
  }

  private let limit: Int
  private let state: Mutex<State>

  /// A collector, and the end to write to; neither where output goes elsewhere.
  struct Ends: ~Copyable {
    let collector: CollectedOutput?
    let writer: OwnedDescriptor
  }

  static func make(for output: WorkerOutput) throws(InterprocessError) -> Ends {
    guard case .collect(let limit) = output else { return Ends(collector: nil, writer: OwnedDescriptor(adopting: -1)) }
    var ends: [CInt] = [-1, -1]
    try systemCall("pipe2", nil) { ci_pipe2(&ends, O_CLOEXEC) }
    let reader = try movedUp(ends[0])
    let writer = try movedUp(ends[1])
    // Only this end: the worker's writes have to wait, as a program expects.
    try systemCall("fcntl", "descriptor \(reader.rawValue)") { fcntl(reader.rawValue, F_SETFL, O_NONBLOCK) }
    return Ends(collector: CollectedOutput(reader, limit), writer: writer)
  }

  private init(_ pipe: consuming OwnedDescriptor, _ limit: Int) {
    state = Mutex(State(pipe: pipe))
    self.limit = min(max(0, limit), 1 << 40)
  }

  /// What to wait for; `nil` once all writers have closed.
  var descriptor: CInt? { state.withLock { $0.pipe?.rawValue } }

  /// Takes what has come.
  func drain() {
    state.withLock { state in
      guard let pipe = state.pipe?.rawValue else { return }
      var buffer = [UInt8](repeating: 0, count: 16384)
      // One round takes as much as a pipe holds: a worker that writes without end must not hold up the others.
      for _ in 0..<16 {
        guard case .success(let count) = valueOrErrno({ read(pipe, &buffer, buffer.count) }) else { return }
        if count == 0 {
          state.pipe = nil
          return
        }
        state.bytes += buffer[..<count]
        if state.bytes.count > 2 * limit { state.keepLast(limit) }
      }
    }
  }

  /// Takes what is there still, and closes the pipe: programs that the worker started may hold it open.
  func close() {
    drain()
    state.withLock { $0.pipe = nil }
  }

  /// The last bytes, beginning with a whole line where the beginning has been dropped.
  var tail: String {
    state.withLock { state in
      state.keepLast(limit)
      guard state.hasDropped, let end = state.bytes.firstIndex(of: UInt8(ascii: "\n")) else {
        return String(decoding: state.bytes, as: UTF8.self)
      }
      return String(decoding: state.bytes[(end + 1)...], as: UTF8.self)
    }
  }
}

extension CollectedOutput.State {
  fileprivate mutating func keepLast(_ count: Int) {
    if bytes.count <= count { return }
    bytes.removeFirst(bytes.count - count)
    hasDropped = true
  }
}
