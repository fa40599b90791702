import CInterprocess
import Glibc
import SystemPackage

/// Messages coming out of a stream of bytes, framed as ``StreamFrame`` says.
///
/// It reads ahead: one system call brings many short messages. The bytes of a long one are read straight to where they
/// stay.
final class StreamIncomingLine: IncomingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); closing waits for the turn as well.

  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var source: DescriptorSource

  /// How much is read ahead. See ``CopyAlignment`` for the rest of the memory.
  private static var aheadSize: Int { 64 << 10 }
  /// Longer messages are put together elsewhere.
  private static var longestAhead: Int { 32 << 10 }
  /// What is read ahead after a long message, for the next one is long too, mostly: of its beginning, which has to be moved
  /// to its place, there is little then.
  private static var headAhead: Int { 512 }
  @exclusivity(unchecked) private var wasLong = false
  private let ahead = UnsafeMutableRawBufferPointer.allocate(
    byteCount: aheadSize + 2 * CopyAlignment.page, alignment: CopyAlignment.page)
  @exclusivity(unchecked) private var aheadRange = 0..<0
  /// The message that is too long for reading ahead, and what its head says.
  @exclusivity(unchecked) private var long = MessageBuffer()
  @exclusivity(unchecked) private var head: StreamFrame.Head?
  /// Nobody waits for an answer: see ``letMessagesGather()``.
  @exclusivity(unchecked) private var isStream = false
  /// The last message was so short that it was worth less than the call that brought it.
  @exclusivity(unchecked) private var wasShort = false
  /// How many reads go by before the other side is given way again: see ``giveWay()``.
  @exclusivity(unchecked) private var readsBeforeGivingWay = 0
  /// How much of a message that was refused has not come yet.
  @exclusivity(unchecked) private var refused: UInt64 = 0
  /// What arrived and has not been claimed by a message's head yet, or by the receiver.
  @exclusivity(unchecked) private var received: ReceivedDescriptors
  @exclusivity(unchecked) private var claimed = 0

  /// - Parameter carriesDescriptors: whether messages may carry descriptors.
  init(_ source: consuming DescriptorSource, carriesDescriptors: Bool = false) {
    self.source = source
    // Those of a message that is received, and of the next one, whose beginning may come with its end.
    received = ReceivedDescriptors(atMost: carriesDescriptors ? 2 * ReceivedDescriptors.mostPerMessage : 0)
  }

  deinit { ahead.deallocate() }

  func note(isStream: Bool) { self.isStream = isStream }

  @inline(__always)
  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    var stride = Stride()
    if head == nil, claimed > 0 || long.count > 0 { forgetLast() }
    while true {
      if let message = takeShort(limit: limit) { return .message(message) }
      if !isBetweenMessages, let message = try takeMessage(limit: limit) { return .message(message) }
      if isBetweenMessages { forgetUnclaimed() }
      let result = try read(mayBlock: mayBlock)
      guard case .success(let count) = result, count > 0 else { return try arrival(of: result) }
      if !stride.goesOn(after: count) { return .unfinished }
    }
  }

  /// What it means that no bytes came.
  @inline(never)
  private func arrival(of result: Result<Int, Errno>) throws(ChannelError) -> Arrival {
    switch result {
    case .success where isBetweenMessages: return .end
    case .failure(.wouldBlock): return .nothing
    case .failure(.connectionReset) where isBetweenMessages:
      throw ChannelError(.peerDied, "the other side ended without closing the channel, or with messages unread")
    case .success, .failure(.connectionReset):
      let came = (head?.headSize ?? 0) + long.count + aheadRange.count
      throw ChannelError(.truncatedMessage, "the other side ended in the middle of a message, \(came) bytes into it")
    case .failure(let reason): throw ChannelError(InterprocessError(call: "read", errno: reason))
    }
  }

  /// The next message, if all of it was read ahead and it carries nothing.
  @inline(__always)
  private func takeShort(limit: Int) -> UnsafeRawBufferPointer? {
    guard head == nil, refused == 0, let base = ahead.baseAddress else { return nil }
    let bytes = UnsafeRawBufferPointer(start: base + aheadRange.lowerBound, count: aheadRange.count)
    guard let size = StreamFrame.shortByteCount(of: bytes), size <= limit, size <= bytes.count - 4 else { return nil }
    aheadRange = (aheadRange.lowerBound + 4 + size)..<aheadRange.upperBound
    wasLong = false
    wasShort = size <= source.longestGathered
    return UnsafeRawBufferPointer(start: bytes.baseAddress.map { $0 + 4 }, count: size)
  }

  var partialByteCount: Int? {
    isBetweenMessages ? nil : Int(truncatingIfNeeded: refused) &+ long.count &+ aheadRange.count
  }

  private var isBetweenMessages: Bool { head == nil && aheadRange.isEmpty && refused == 0 }

  /// The descriptors of the last message that nobody took are closed.
  private func forgetLast() {
    long.removeAll()
    while claimed > 0 {
      _ = received.takeFirst()
      claimed -= 1
    }
  }

  /// Descriptors belong to the message with whose first byte they came. Where all bytes have been given out, whatever is
  /// left came with messages that say nothing of it.
  @inline(__always)
  private func forgetUnclaimed() {
    if received.isEmpty, received.surplus == 0 { return }
    received = ReceivedDescriptors(atMost: received.limit)
  }

  @inline(never)
  private func takeMessage(limit: Int) throws(ChannelError) -> UnsafeRawBufferPointer? {
    if refused > 0 { passRefused() }
    if refused > 0 { return nil }
    if head == nil {
      guard let next = try StreamFrame.head(of: UnsafeRawBufferPointer(rebasing: ahead[aheadRange])) else { return nil }
      guard next.byteCount <= UInt64(limit) else { throw refuse(next, limit: limit) }
      guard Int(next.descriptors) <= received.count else {
        throw ChannelError(.malformedMessage, "a message claims \(next.descriptors) descriptors that did not come")
      }
      head = next
      aheadRange = (aheadRange.lowerBound + next.headSize)..<aheadRange.upperBound
    }
    guard let head else { return nil }
    let size = Int(head.byteCount)
    if long.count == 0, aheadRange.count >= size {
      let start = aheadRange.lowerBound
      aheadRange = (start + size)..<aheadRange.upperBound
      finish(head)
      return UnsafeRawBufferPointer(rebasing: ahead[start..<(start + size)])
    }
    // It may fit if the bytes before it make room; a longer one is put together elsewhere.
    if size <= Self.longestAhead, long.count == 0 { return nil }
    try moveAheadToLong(atMost: size - long.count)
    guard long.count == size else { return nil }
    finish(head)
    return long.bytes
  }

  /// A message that is too large goes as it comes, and the next one can be received.
  private func refuse(_ head: StreamFrame.Head, limit: Int) -> ChannelError {
    aheadRange = (aheadRange.lowerBound + head.headSize)..<aheadRange.upperBound
    refused = head.byteCount
    for _ in 0..<head.descriptors { _ = received.takeFirst() }
    return .tooLarge(head.byteCount, limit: limit, "announced")
  }

  private func passRefused() {
    let count = Int(min(refused, UInt64(aheadRange.count)))
    aheadRange = (aheadRange.lowerBound + count)..<aheadRange.upperBound
    refused -= UInt64(count)
  }

  private func finish(_ head: StreamFrame.Head) {
    claimed = min(Int(head.descriptors), received.count)
    self.head = nil
    wasLong = long.count > 0
    wasShort = !wasLong && head.byteCount <= UInt64(source.longestGathered)
  }

  private func moveAheadToLong(atMost most: Int) throws(ChannelError) {
    let count = min(most, aheadRange.count)
    let piece = aheadRange.lowerBound..<(aheadRange.lowerBound + count)
    try asChannelError { () throws(InterprocessError) in
      try long.append(UnsafeRawBufferPointer(rebasing: ahead[piece]))
    }
    aheadRange = piece.upperBound..<aheadRange.upperBound
  }

  @inline(__always)
  private func read(mayBlock: Bool) throws(ChannelError) -> Result<Int, Errno> {
    if let head, Int(head.byteCount) > Self.longestAhead { return try readLong(Int(head.byteCount), mayBlock) }
    if !aheadRange.isEmpty || wasLong { return readMore(mayBlock) }
    if mayBlock, isStream { wasShort ? letMessagesGather() : giveWay() }
    return readAhead(from: CopyAlignment.place(from: 0), atMost: Self.aheadSize, mayBlock)
  }

  /// Reads behind what is there already, or a little.
  @inline(never)
  private func readMore(_ mayBlock: Bool) -> Result<Int, Errno> {
    // The bytes that are left begin anew, so that there is room behind them.
    let end = CopyAlignment.place(from: aheadRange.count)
    if aheadRange.upperBound != end {
      let start = end - aheadRange.count
      if !aheadRange.isEmpty {
        UnsafeMutableRawBufferPointer(rebasing: ahead[start..<end])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: ahead[aheadRange]))
      }
      aheadRange = start..<end
    }
    if mayBlock, isStream, !wasLong { wasShort ? letMessagesGather() : giveWay() }
    return readAhead(from: end, atMost: wasLong && isBetweenMessages ? Self.headAhead : Self.aheadSize, mayBlock)
  }

  /// Reads to `end`, where what is there already ends, or is to begin.
  @inline(__always)
  private func readAhead(from end: Int, atMost most: Int, _ mayBlock: Bool) -> Result<Int, Errno> {
    let room = UnsafeMutableRawBufferPointer(rebasing: ahead[end..<min(ahead.count, end + most)])
    let result = source.read(into: room, receiving: &received, mayBlock: mayBlock)
    if case .success(let count) = result {
      if readsBeforeGivingWay == 0, count < Self.worthGivingWay { readsBeforeGivingWay = 64 }
      aheadRange = (aheadRange.isEmpty ? end : aheadRange.lowerBound)..<(end + count)
    }
    return result
  }

  /// A reader that sleeps is woken by the first message that comes, and sleeps again: that costs more than the message.
  /// So the other side is given a moment, on this processor or another, to send some more.
  @inline(never)
  private func letMessagesGather() {
    if source.hasBytes { return }
    sched_yield()
    if source.hasBytes { return }
    // Without looking, for which the kernel would have the other side wait.
    let start = MonotonicTime.now
    while MonotonicTime.now - start < Self.gathering { ci_spin_pause() }
  }

  private static var gathering: Int64 { 5_000 }

  /// Longer messages are not waited for. But where the other side has the same processor, which shows by how much comes, it
  /// is to fill the stream in one go.
  @inline(__always)
  private func giveWay() {
    if readsBeforeGivingWay > 0 {
      readsBeforeGivingWay -= 1
    } else if !source.hasBytes {
      sched_yield()
    }
  }

  private static var worthGivingWay: Int { 16 << 10 }

  /// Reads more of a long message, straight to its place: as much as came already, or a megabyte, so that memory is
  /// taken for what comes and not for what was announced. With its end comes the head of the next one, if that is there.
  @inline(never)
  private func readLong(_ size: Int, _ mayBlock: Bool) throws(ChannelError) -> Result<Int, Errno> {
    var result = Result<Int, Errno>.success(0)
    let rest = size - long.count
    try asChannelError { () throws(InterprocessError) in
      try long.append(room: min(rest, max(1 << 20, long.count)) + StreamFrame.shortestHead) { room in
        result = source.read(into: room, receiving: &received, mayBlock: mayBlock)
        guard case .success(let count) = result else { return 0 }
        if count > rest { keepAhead(UnsafeRawBufferPointer(rebasing: room[rest..<count])) }
        return min(count, rest)
      }
    }
    return result
  }

  /// Puts bytes of the next message, of which nothing is there yet, to where it is read ahead.
  private func keepAhead(_ bytes: UnsafeRawBufferPointer) {
    let end = CopyAlignment.place(from: bytes.count)
    aheadRange = (end - bytes.count)..<end
    UnsafeMutableRawBufferPointer(rebasing: ahead[aheadRange]).copyMemory(from: bytes)
  }

  func takeDescriptors(into taken: inout ReceivedDescriptors) {
    while claimed > 0, let descriptor = received.takeFirst() {
      claimed -= 1
      let number = descriptor.release().rawValue
      taken.adopt(CollectionOfOne(number))
    }
    if isBetweenMessages { forgetUnclaimed() }
  }

  /// Closes those that came with the message last received.
  @inline(__always)
  func dropDescriptors() {
    if claimed == 0, received.isEmpty { return }
    var none = ReceivedDescriptors(atMost: 0)
    takeDescriptors(into: &none)
  }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    let isReady = try asChannelError { () throws(InterprocessError) in try source.waitForBytes(by: deadline) }
    if !isReady { throw .timedOut("Channel.receive", "no message came") }
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    try await source.waitForBytes(by: deadline)
  }

  func close() { source.close() }

  // The kernel says so to whoever waits.
  func peerEnded() {}
}
