import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Reading and writing pipes and FIFOs, without SIGPIPE and, where asked, without blocking.
enum PipeCalls: StreamCalls {
  static var readCall: StaticString { "read" }
  static var writeCall: StaticString { "write" }

  @inline(__always)
  static func read(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, waiting: Bool) -> Int {
    waiting ? Glibc.read(descriptor, buffer.baseAddress, buffer.count) : readWithoutWaiting(descriptor, buffer)
  }

  @inline(never)
  private static func readWithoutWaiting(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
    let count = ci_preadv2(descriptor, &vector, 1, ci_rwf_nowait())
    if count >= 0 || Errno.current != .notSupported { return count }
    // A FIFO knows no RWF_NOWAIT. It has something to say when poll says so, and reading takes what is there.
    var entry = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
    return poll(&entry, 1, 0) == 0
      ? failing(with: EAGAIN) : Glibc.read(descriptor, buffer.baseAddress, buffer.count)
  }

  @inline(__always)
  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, waiting: Bool) -> Int {
    waiting ? writeWithoutSignal(descriptor, bytes, flags: 0) : writeWithoutWaiting(descriptor, bytes)
  }

  @inline(never)
  private static func writeWithoutWaiting(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    let count = writeWithoutSignal(descriptor, bytes, flags: ci_rwf_nowait())
    if count >= 0 || Errno.current != .notSupported { return count }
    // As above; when poll says that there is room, there is room for PIPE_BUF bytes.
    var entry = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
    if poll(&entry, 1, 0) == 0 { return failing(with: EAGAIN) }
    let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(PIPE_BUF)))
    return writeWithoutSignal(descriptor, piece, flags: 0)
  }

  private static func failing(with reason: CInt) -> Int {
    Glibc.errno = reason
    return -1
  }

  /// Whether the kernel can write without raising SIGPIPE (RWF_NOSIGNAL, Linux 6.18).
  private static let kernelWritesWithoutSignal = Atomic(true)

  @inline(__always)
  private static func writeWithoutSignal(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, flags: CInt) -> Int {
    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    if kernelWritesWithoutSignal.load(ordering: .relaxed) {
      let count = ci_pwritev2(descriptor, &vector, 1, flags | ci_rwf_nosignal())
      if count >= 0 || Errno.current != .notSupported { return count }
      if flags == 0 { kernelWritesWithoutSignal.store(false, ordering: .relaxed) }
    }
    return writeHoldingSIGPIPEBack(descriptor, bytes, flags)
  }

  @inline(never)
  private static func writeHoldingSIGPIPEBack(
    _ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, _ flags: CInt
  ) -> Int {
    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    return withoutSIGPIPE {
      flags == 0
        ? Glibc.write(descriptor, bytes.baseAddress, bytes.count) : ci_pwritev2(descriptor, &vector, 1, flags)
    }
  }

  /// Holds SIGPIPE back from this thread while `body` writes, and takes the one it raised out of the queue.
  static func withoutSIGPIPE(_ body: () -> Int) -> Int {
    var pipeSignal = sigset_t()
    sigemptyset(&pipeSignal)
    sigaddset(&pipeSignal, SIGPIPE)
    var pending = sigset_t()
    sigpending(&pending)
    var previous = sigset_t()
    pthread_sigmask(SIG_BLOCK, &pipeSignal, &previous)
    let count = body()
    let reason = Glibc.errno
    // One that was waiting before is somebody else's.
    if count == -1, reason == EPIPE, sigismember(&pending, SIGPIPE) == 0 {
      var now = timespec()
      while sigtimedwait(&pipeSignal, nil, &now) == -1, Glibc.errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, nil)
    Glibc.errno = reason
    return count
  }
}
