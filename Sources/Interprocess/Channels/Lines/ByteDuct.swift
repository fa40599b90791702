import CInterprocess
import Glibc
import SystemPackage

/// Calls `body` with two pieces as calls such as `writev` take them.
@inline(__always)
func withVectors<Result>(
  _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ body: (UnsafeMutablePointer<iovec>) -> Result
) -> Result {
  withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
    vectors[0] = iovec(iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress), iov_len: first.count)
    vectors[1] = iovec(iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress), iov_len: second.count)
    return body(vectors.baseAddress.unsafelyUnwrapped)
  }
}

/// What a channel's descriptor is, and so by which calls bytes go through it.
enum DuctKind {
  case pipe, fifo, socket

  fileprivate func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    switch self {
    case .pipe: PipeCalls.write(descriptor, bytes, waiting: false)
    case .fifo: FIFOCalls.write(descriptor, bytes, waiting: false)
    case .socket: SocketCalls.write(descriptor, bytes, waiting: false)
    }
  }
}

// What moves each message is inlined as far as the system call: the kernel has the processor forget who called whom, so
// that each function between costs a return that was predicted wrongly.

/// A pipe, a FIFO or a socket that bytes go into.
struct DescriptorSink: ~Copyable, Sendable {
  private var descriptor: OwnedDescriptor
  private let kind: DuctKind
  /// Whether this process ignores SIGPIPE, as servers do: then the call that raises none, and costs more, is not needed.
  private let ignoresSignal: Bool
  private var isWide = false

  init(_ descriptor: consuming OwnedDescriptor, _ kind: DuctKind) {
    self.descriptor = descriptor
    self.kind = kind
    ignoresSignal = ci_ignores_signal(SIGPIPE)
  }

  /// Writes once, a part or all, with descriptors beside the first byte. EAGAIN says that there is no room, also where it
  /// may block and the descriptor is one that does not. EPIPE says that the other side has gone.
  @inline(__always)
  func write(_ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool) -> Result<Int, Errno> {
    guard mayBlock, descriptors.isEmpty else { return writeSlowly(bytes, passing: descriptors, mayBlock: mayBlock) }
    if kind == .socket {
      return valueOrErrno { send(descriptor.rawValue, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)) }
    }
    if ignoresSignal { return valueOrErrno { Glibc.write(descriptor.rawValue, bytes.baseAddress, bytes.count) } }
    return valueOrErrno { WriteWithoutSignal.write(descriptor.rawValue, bytes) }
  }

  @inline(never)
  private func writeSlowly(
    _ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool
  ) -> Result<Int, Errno> {
    if descriptors.isEmpty { return valueOrErrno { kind.write(descriptor.rawValue, bytes) } }
    let flags = mayBlock ? 0 : CInt(MSG_DONTWAIT)
    return valueOrErrno {
      ci_send_message(
        descriptor.rawValue, bytes.baseAddress, bytes.count, nil, 0, descriptors, CInt(descriptors.count), flags)
    }
  }

  /// Writes once, a part or all of two pieces, the second after the first; it may block. `nil` where that is no better than
  /// two calls.
  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
    // What does not lie in a page as it did before is copied at half the speed (see CopyAlignment): of a pipe always, of a
    // socket where that is more than a call is worth.
    guard kind == .socket, second.count <= Self.longestInOneCall else { return nil }
    return valueOrErrno {
      withVectors(first, second) { vectors in
        var message = msghdr()
        (message.msg_iov, message.msg_iovlen) = (vectors, 2)
        return sendmsg(descriptor.rawValue, &message, CInt(MSG_NOSIGNAL))
      }
    }
  }

  private static var longestInOneCall: Int { 256 << 10 }

  /// A message comes for which a pipe is better larger: one that is as large as a message has both sides wait for each other. It stays so where the user's pipes have as
  /// many pages as `fs.pipe-user-pages-soft` allows: 128 such pipes.
  @inline(__always)
  mutating func expectLongMessages() {
    if kind != .socket, !isWide { widen() }
  }

  @inline(never)
  private mutating func widen() {
    isWide = true
    // One that was made smaller than usual is so on purpose.
    let capacity = ci_pipe_capacity(descriptor.rawValue)
    if capacity >= Self.usual, capacity < Self.wide { _ = ci_set_pipe_capacity(descriptor.rawValue, Self.wide) }
  }

  private static var usual: CInt { 64 << 10 }
  private static var wide: CInt { 512 << 10 }

  func waitForRoom(by deadline: Deadline) throws(InterprocessError) -> Bool {
    try descriptor.wait(until: .writable, by: deadline)
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    try await descriptor.suspend(until: .writable, by: deadline)
  }

  mutating func close(whileReceiving isReceiving: Bool) {
    // The socket has a second descriptor, for reading: closing this one would not tell the other side.
    if isReceiving, !descriptor.isClosed { shutdown(descriptor.rawValue, CInt(SHUT_WR)) }
    try? descriptor.close()
  }
}

/// A pipe, a FIFO or a socket that bytes come out of.
struct DescriptorSource: ~Copyable, Sendable {
  private var descriptor: OwnedDescriptor
  private let kind: DuctKind

  init(_ descriptor: consuming OwnedDescriptor, _ kind: DuctKind) {
    self.descriptor = descriptor
    self.kind = kind
  }

  /// Reads once; 0 is the end. EAGAIN says that nothing is there, also where it may block and the descriptor is one that
  /// does not.
  @inline(__always)
  func read(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno> {
    if kind == .socket { return descriptor.receiveBytes(into: buffer, receiving: &received, mayBlock: mayBlock) }
    if mayBlock { return valueOrErrno { Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count) } }
    return readWithoutWaiting(into: buffer)
  }

  @inline(never)
  private func readWithoutWaiting(into buffer: UnsafeMutableRawBufferPointer) -> Result<Int, Errno> {
    valueOrErrno {
      kind == .fifo
        ? FIFOCalls.read(descriptor.rawValue, buffer, waiting: false)
        : PipeCalls.read(descriptor.rawValue, buffer, waiting: false)
    }
  }

  /// Whether reading would give bytes at once.
  var hasBytes: Bool {
    // Not FIONREAD, for which a pipe's lock is taken, and its writer waits.
    var entry = pollfd(fd: descriptor.rawValue, events: CShort(POLLIN), revents: 0)
    return poll(&entry, 1, 0) != 0
  }

  /// Up to which size it pays to wait for some messages more when there is none. A pipe's pages are moved fastest while they
  /// are in a processor's cache.
  var longestGathered: Int { kind == .socket ? .max : 2 << 10 }

  func waitForBytes(by deadline: Deadline) throws(InterprocessError) -> Bool {
    try descriptor.wait(until: .readable, by: deadline)
  }

  nonisolated(nonsending) func waitForBytes(by deadline: Deadline) async throws {
    try await descriptor.suspend(until: .readable, by: deadline)
  }

  mutating func close() { try? descriptor.close() }
}

extension OwnedDescriptor {
  /// Suspends until a channel's descriptor is ready.
  nonisolated(nonsending) func suspend(until readiness: Readiness, by deadline: Deadline) async throws {
    try await becomeReady(fileDescriptor, readiness, by: deadline, for: "epoll_wait")
  }

  /// Reads a stream socket once, with the descriptors that came. Some may be lost where this process can have no more.
  @inline(__always)
  fileprivate func receiveBytes(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno> {
    withUnsafeTemporaryAllocation(of: CInt.self, capacity: ReceivedDescriptors.mostPerMessage) { numbers in
      var count: CInt = 0
      let result = valueOrErrno {
        ci_receive_bytes(
          rawValue, buffer.baseAddress, buffer.count, mayBlock ? 0 : CInt(MSG_DONTWAIT), numbers.baseAddress, &count)
      }
      if count > 0 { received.adopt(numbers.prefix(Int(count))) }
      return result
    }
  }
}
