import CInterprocess
import Glibc
import SystemPackage

/// One side of a file as a mailbox: its bytes go round in a circle, and a counter of the kernel for each side says how
/// many it may write, or read.
struct FileCircle: ~Copyable, Sendable {
  /// How many bytes the file holds before its sender waits.
  static let capacity = 1 << 20

  private let file: OwnedDescriptor
  /// Counts the bytes that this side may move, and the other side has added.
  let mine: FileCounter
  private let theirs: FileCounter
  private let peer: PeerLife
  private var allowed: Int
  private var offset = 0

  /// - Parameters:
  ///   - descriptors: the file, the counter of what may be written, the counter of what may be read.
  ///   - isSender: which of the sides this is.
  init(_ descriptors: inout ReceivedDescriptors, isSender: Bool, _ peer: PeerLife) throws(ChannelError) {
    guard let file = descriptors.takeFirst(), let room = descriptors.takeFirst(), let filled = descriptors.takeFirst()
    else { throw .missingDescriptors }
    self.file = file
    let (roomCounter, filledCounter) = (FileCounter(room), FileCounter(filled))
    (mine, theirs) = isSender ? (roomCounter, filledCounter) : (filledCounter, roomCounter)
    allowed = isSender ? Self.capacity : 0
    self.peer = peer
  }

  /// Moves up to `most` bytes: as many as are allowed, and lie before the end of the file.
  ///
  /// - Parameter transfer: moves so many bytes at an offset of a file, as `pread` and `pwrite` do.
  /// - Returns: EAGAIN when none is allowed yet; then, too, how the peer was when that was looked at.
  mutating func move(
    atMost most: Int, _ transfer: (_ file: CInt, _ offset: off_t, _ count: Int) -> Int
  ) -> (result: Result<Int, Errno>, peer: PeerLife.State) {
    let state = peer.state
    if allowed == 0 { takeAllowance() }
    let count = min(most, allowed, Self.capacity - offset)
    guard count > 0 else { return (most == 0 ? .success(0) : .failure(.wouldBlock), state) }
    let result = valueOrErrno { transfer(file.rawValue, off_t(offset), count) }
    guard case .success(let moved) = result else { return (result, state) }
    allowed -= moved
    offset = (offset + moved) % Self.capacity
    theirs.add(UInt64(moved))
    return (result, state)
  }

  private mutating func takeAllowance() {
    // Whatever the other side says, there are no more bytes than the file has.
    allowed = min(Self.capacity, allowed + mine.take())
  }

  /// Waits until there may be something to move, or the peer has gone.
  func wait(by deadline: Deadline) throws(InterprocessError) -> Bool {
    if peerHasGone { return true }
    return try mine.descriptor.wait(until: .readable, by: deadline)
  }

  nonisolated(nonsending) func wait(by deadline: Deadline) async throws {
    if peerHasGone { return }
    try await mine.descriptor.suspend(until: .readable, by: deadline)
  }

  /// Looked at last before waiting: move(atMost:_:) may have taken the wake-up after it looked.
  private var peerHasGone: Bool { peer.state != .lives }
}

/// Counts bytes of a file for one of its sides, in the kernel.
final class FileCounter: Sendable {
  /// What it is raised by to wake who waits for it; it stands for no bytes.
  private static let wake: UInt64 = 1 << 40

  let descriptor: OwnedDescriptor

  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  func add(_ amount: UInt64) {
    var amount = amount
    _ = write(descriptor.rawValue, &amount, 8)
  }

  /// Takes what was added, at most a gigabyte of it; 0 when nothing was.
  func take() -> Int {
    var added: UInt64 = 0
    guard case .success = valueOrErrno({ read(descriptor.rawValue, &added, 8) }) else { return 0 }
    return Int(added % Self.wake % (1 << 30))
  }

  /// Wakes whoever waits for it.
  func wakeUp() { add(Self.wake) }
}

/// The side of a file that bytes go into.
struct FileSink: ~Copyable, ByteSink {
  var circle: FileCircle

  mutating func write(_ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool) -> Result<
    Int, Errno
  > {
    let (result, peer) = circle.move(atMost: bytes.count) { pwrite($0, bytes.baseAddress, $2, $1) }
    return switch peer {
    case .lives: result
    case .closed: .failure(.brokenPipe)
    case .died: .failure(.noSuchProcess)
    }
  }

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

  func waitForBytes(by deadline: Deadline) throws(InterprocessError) -> Bool { try circle.wait(by: deadline) }
  nonisolated(nonsending) func waitForBytes(by deadline: Deadline) async throws { try await circle.wait(by: deadline) }
  mutating func close() {}
}
