import CInterprocess
import Glibc
import SystemPackage

/// Reading and writing pipes, without SIGPIPE and, where asked, without blocking.
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
    return withNonblocking(descriptor, O_RDONLY) { Glibc.read($0, buffer.baseAddress, buffer.count) }
  }

  @inline(__always)
  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, waiting: Bool) -> Int {
    waiting ? WriteWithoutSignal.write(descriptor, bytes) : writeWithoutWaiting(descriptor, bytes)
  }

  @inline(never)
  private static func writeWithoutWaiting(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    let count = WriteWithoutSignal.write(descriptor, bytes, flags: ci_rwf_nowait())
    if count >= 0 || Errno.current != .notSupported { return count }
    return withNonblocking(descriptor, O_WRONLY) { WriteWithoutSignal.write($0, bytes) }
  }

  /// A FIFO that came from elsewhere knows no RWF_NOWAIT, and to look first and then read would block when another
  /// reader comes in between. It is opened once more: what it was opened by belongs to others too, and stays as it is.
  private static func withNonblocking(_ descriptor: CInt, _ access: CInt, _ body: (CInt) -> Int) -> Int {
    let flags = fcntl(descriptor, F_GETFL)
    if flags == -1 { return -1 }
    if flags & O_NONBLOCK != 0 { return body(descriptor) }
    let own = ci_open("/proc/self/fd/\(descriptor)", access | O_NONBLOCK | O_CLOEXEC, 0)
    if own == -1 {
      // No reader, so opening is refused; writing would be too.
      if Errno.current == .noSuchAddressOrDevice { Glibc.errno = EPIPE }
      return -1
    }
    // A pipe that keeps packets apart does so by its writer's flag.
    if flags & ci_o_direct() != 0 { _ = fcntl(own, F_SETFL, O_NONBLOCK | ci_o_direct()) }
    let count = body(own)
    let reason = Glibc.errno
    close(own)
    Glibc.errno = reason
    return count
  }
}
