import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Messages going into a stream of bytes, framed as ``StreamFrame`` says.
final class StreamOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); closing waits for the turn as well.

  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var sink: DescriptorSink

  /// Head and beginning of a message, so that a short one is one system call. See ``CopyAlignment`` for where it lies.
  private let beginning: UnsafeMutableRawBufferPointer
  private let memory = UnsafeMutableRawBufferPointer.allocate(
    byteCount: CopyAlignment.page + longestWhole, alignment: CopyAlignment.page)
  /// What is written by one call, its head included: to copy more costs more than a second call.
  private static var longestWhole: Int { 16 << 10 }
  @exclusivity(unchecked) private var beginningCount = 0
  /// How many bytes of head and message have gone; `nil` between messages.
  @exclusivity(unchecked) private var gone: Int?
  @exclusivity(unchecked) private var headSize = 0

  init(_ sink: consuming DescriptorSink) {
    beginning = UnsafeMutableRawBufferPointer(
      rebasing: memory[CopyAlignment.place(from: 0)...].prefix(Self.longestWhole))
    self.sink = sink
  }

  deinit { memory.deallocate() }

  @inline(__always)
  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    if gone == nil {
      begin(message, descriptors)
      // Most messages are one call. What is in its way the same call finds again.
      if mayBlock, descriptors.isEmpty, case .success(let count) = writeBeginning(of: message) {
        if count == headSize + message.byteCount {
          gone = nil
          return .sent
        }
        gone = count
      }
    }
    return try goOn(with: message, passing: descriptors, mayBlock: mayBlock)
  }

  @inline(__always)
  private func writeBeginning(of message: RawSpan) -> Result<Int, Errno> {
    let piece = UnsafeRawBufferPointer(start: beginning.baseAddress, count: beginningCount)
    if beginningCount < headSize + message.byteCount, let result = writeAll(piece, message) { return result }
    return sink.write(piece, passing: [], mayBlock: true)
  }

  /// A long message and what was copied of it by one call, where that can be.
  @inline(never)
  private func writeAll(_ piece: UnsafeRawBufferPointer, _ message: RawSpan) -> Result<Int, Errno>? {
    message.withUnsafeBytes { sink.write(piece, UnsafeRawBufferPointer(rebasing: $0[(beginningCount - headSize)...])) }
  }

  @inline(never)
  private func goOn(
    with message: RawSpan, passing descriptors: [CInt], mayBlock: Bool
  ) throws(ChannelError) -> Departure {
    var stride = Stride()
    let total = headSize + message.byteCount
    while let sent = gone, sent < total {
      let result = message.withUnsafeBytes { storage in
        let piece =
          sent < beginningCount
          ? UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(beginning)[sent..<beginningCount])
          : UnsafeRawBufferPointer(rebasing: storage[(sent - headSize)...])
        return sink.write(piece, passing: sent == 0 ? descriptors : [], mayBlock: mayBlock)
      }
      switch result {
      case .success(let count):
        gone = sent + count
        if !stride.goesOn(after: count), sent + count < total { return .unfinished }
      case .failure(.wouldBlock): return .noRoom
      case .failure(let reason): throw error(reason)
      }
    }
    gone = nil
    return .sent
  }

  private func error(_ reason: Errno) -> ChannelError {
    switch reason {
    case .brokenPipe, .connectionReset:
      // Nobody is there for whom the stream could be broken.
      gone = nil
      return ChannelError(.peerClosed, "the other side has closed the channel, or ended")
    default: return ChannelError(InterprocessError(call: "write", errno: reason))
    }
  }

  @inline(__always)
  private func begin(_ message: RawSpan, _ descriptors: [CInt]) {
    let head = StreamFrame.Head(byteCount: UInt64(message.byteCount), descriptors: UInt32(descriptors.count))
    StreamFrame.write(head, into: beginning)
    headSize = head.headSize
    let fits = message.byteCount <= beginning.count - headSize
    if message.byteCount >= CopyAlignment.page { sink.expectLongMessages() }
    let copied = message.withUnsafeBytes { storage in
      let copied = fits ? storage.count : storage.baseAddress.map { CopyAlignment.offset(of: $0) } ?? 0
      UnsafeMutableRawBufferPointer(rebasing: beginning[headSize...])
        .copyMemory(from: UnsafeRawBufferPointer(start: storage.baseAddress, count: copied))
      return copied
    }
    beginningCount = headSize + copied
    gone = 0
  }

  func waitForRoom(by deadline: Deadline) throws(ChannelError) {
    let isReady = try asChannelError { () throws(InterprocessError) in try sink.waitForRoom(by: deadline) }
    if !isReady { throw .timedOut("Channel.send", "the other side takes no more") }
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    try await sink.waitForRoom(by: deadline)
  }

  func abandon() -> Bool {
    guard gone == nil || gone == 0 else { return false }
    gone = nil
    return true
  }

  func close(whileReceiving isReceiving: Bool) { sink.close(whileReceiving: isReceiving) }

  // The kernel says so to whoever waits.
  func peerEnded() {}
}
