import CInterprocess
import Glibc
import SystemPackage

/// One side of a file as a mailbox: its bytes go round in a circle, and a counter of the kernel for each side says how
/// many it may write, or read.
struct FileCircle: ~Copyable, Sendable {
  /// How many bytes the file holds before its sender waits: of one that is empty three quarters of that at least, see
  /// ``piece``.
  static let capacity = 1 << 20
  /// What goes at once, so that the other side reads while this one writes; and how much room the receiver gives back at
  /// once, for which the sender does not wait before.
  private static let piece = capacity / 4

  private let file: OwnedDescriptor
  /// Counts the bytes that this side may move, and the other side has added.
  private let mine: OwnedDescriptor
  private let theirs: OwnedDescriptor
  private let waiting: FileWaiting
  private let isSender: Bool
  private let peer: PeerLife
  private var allowed: Int
  private var offset = 0
  /// What this side has moved, and not told the other.
  private var untold = 0

  /// - Parameters:
  ///   - descriptors: the file, the counter of what may be written, the counter of what may be read.
  ///   - isSender: which of the sides this is.
  init(_ descriptors: inout ReceivedDescriptors, isSender: Bool, _ peer: PeerLife) throws(ChannelError) {
    guard let file = descriptors.takeFirst(), let room = descriptors.takeFirst(), let filled = descriptors.takeFirst()
    else { throw .missingDescriptors }
    guard room.mayBeCounter, filled.mayBeCounter else { throw .strangeDescriptors }
    do {
      waiting = try FileWaiting(for: isSender ? room.rawValue : filled.rawValue)
    } catch {
      throw ChannelError(error)
    }
    self.file = file
    if isSender {
      mine = room
      theirs = filled
    } else {
      mine = filled
      theirs = room
    }
    allowed = isSender ? Self.capacity : 0
    self.isSender = isSender
    self.peer = peer
  }

  /// Moves up to `most` bytes: as many as are allowed, and lie before the end of the file.
  ///
  /// - Parameter transfer: moves so many bytes at an offset of a file, as `pread` and `pwrite` do.
  /// - Returns: EAGAIN when none is allowed yet; then, too, how the peer was when that was looked at.
  mutating func move(
    atMost most: Int, _ transfer: (_ file: CInt, _ offset: off_t, _ count: Int) -> Int
  ) -> (result: Result<Int, Errno>, peer: PeerLife.State) {
    let state = peerState
    if allowed == 0 { takeAllowance() }
    // Not one `min` of four, which makes an array of them.
    let count = min(most, isSender ? min(allowed, Self.piece) : allowed, Self.capacity - offset)
    guard count > 0 else { return (most == 0 ? .success(0) : .failure(.wouldBlock), state) }
    let result = valueOrErrno { transfer(file.rawValue, off_t(offset), count) }
    guard case .success(let moved) = result else { return (result, state) }
    allowed -= moved
    offset = (offset + moved) % Self.capacity
    untold += moved
    if isSender || untold >= Self.piece {
      theirs.addToCounter(untold)
      untold = 0
    }
    return (result, state)
  }

  var hasAllowance: Bool { allowed > 0 }

  private mutating func takeAllowance() {
    // Whatever the other side says, there are no more bytes than the file has.
    allowed = min(Self.capacity, allowed + mine.takeFromCounter())
  }

  /// Waits until there may be something to move, or the peer has gone.
  func wait(by deadline: Deadline) throws(InterprocessError) -> Bool {
    try waiting.wait(for: mine, by: deadline)
  }

  nonisolated(nonsending) func wait(by deadline: Deadline) async throws {
    try await waiting.descriptor.suspend(until: .readable, by: deadline)
  }

  private var peerState: PeerLife.State { isSender ? peer.receiverState : peer.state }

  /// What has whoever waits look again once the peer has gone.
  var wake: @Sendable () -> Void {
    { [waiting, peer, isSender] in
      if (isSender ? peer.receiverState : peer.state) != .lives { waiting.end() }
    }
  }
}

/// What one side of a file waits for: its counter, and a bell that the other side does not have and cannot make block.
private final class FileWaiting: Sendable {
  private let bell: OwnedDescriptor
  /// An epoll, which is readable when the counter or the bell is.
  let descriptor: OwnedDescriptor

  init(for counter: CInt) throws(InterprocessError) {
    bell = OwnedDescriptor(adopting: try systemCall("eventfd", nil) { ci_eventfd(0, ci_eventfd_nonblocking_flags()) })
    descriptor = OwnedDescriptor(adopting: try systemCall("epoll_create1", nil) { ci_epoll_create() })
    for number in [counter, bell.rawValue] {
      try systemCall("epoll_ctl", "descriptor \(number)") { ci_epoll_add(descriptor.rawValue, number, false, 0) }
    }
  }

  /// Waits for the two themselves, which takes the kernel less than by way of the epoll.
  func wait(for counter: borrowing OwnedDescriptor, by deadline: Deadline) throws(InterprocessError) -> Bool {
    let ready = try systemCall("poll", "descriptor \(counter.rawValue)") {
      var entries = (
        pollfd(fd: counter.rawValue, events: CShort(POLLIN), revents: 0),
        pollfd(fd: bell.rawValue, events: CShort(POLLIN), revents: 0)
      )
      return withUnsafeMutableBytes(of: &entries) {
        poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, deadline.pollMilliseconds)
      }
    }
    return ready > 0
  }

  /// From now on there is nothing to wait for.
  func end() {
    var one: UInt64 = 1
    _ = write(bell.rawValue, &one, 8)
  }
}

/// The side of a file that bytes go into.
struct FileSink: ~Copyable, ByteSink {
  var circle: FileCircle

  mutating func write(_ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool) -> Result<
    Int, Errno
  > {
    written(circle.move(atMost: bytes.count) { pwrite($0, bytes.baseAddress, $2, $1) })
  }

  mutating func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
    written(
      circle.move(atMost: first.count + second.count) { file, offset, count in
        let own = min(count, first.count)
        return withVectors(.init(rebasing: first[..<own]), .init(rebasing: second[..<(count - own)])) {
          pwritev(file, $0, 2, offset)
        }
      })
  }

  private func written(_ move: (result: Result<Int, Errno>, peer: PeerLife.State)) -> Result<Int, Errno> {
    switch move.peer {
    case .lives: move.result
    case .closed: .failure(.brokenPipe)
    case .died: .failure(.noSuchProcess)
    }
  }

  func expectLongMessages() {}
  func waitForRoom(by deadline: Deadline) throws(InterprocessError) -> Bool { try circle.wait(by: deadline) }
  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws { try await circle.wait(by: deadline) }
  mutating func close(whileReceiving isReceiving: Bool) {}
}

/// The side of a file that bytes come out of.
struct FileSource: ~Copyable, ByteSource {
  var circle: FileCircle

  mutating func read(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno> {
    let (result, peer) = circle.move(atMost: buffer.count) { pread($0, buffer.baseAddress, $2, $1) }
    guard case .failure(.wouldBlock) = result else { return result }
    return switch peer {
    case .lives: result
    case .closed: .success(0)
    case .died: .failure(.connectionReset)
    }
  }

  var hasBytes: Bool { circle.hasAllowance }
  /// Nothing is gained by waiting first: whoever writes there waits for nobody.
  var longestGathered: Int { 0 }

  func waitForBytes(by deadline: Deadline) throws(InterprocessError) -> Bool { try circle.wait(by: deadline) }
  nonisolated(nonsending) func waitForBytes(by deadline: Deadline) async throws { try await circle.wait(by: deadline) }
  mutating func close() {}
}
