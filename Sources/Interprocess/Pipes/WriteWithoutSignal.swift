public import CInterprocess
import Glibc
public import Synchronization
import SystemPackage

/// Writing to a pipe whose reader may have gone, which is EPIPE and never SIGPIPE.
@usableFromInline
enum WriteWithoutSignal {
  /// Whether the kernel can write without raising SIGPIPE (RWF_NOSIGNAL, Linux 6.18).
  @usableFromInline static let kernelCan = Atomic(true)

  /// Writes once, as a program's inlined calls do.
  ///
  /// - Returns: how many bytes were written; none where anything is in the way, which ``write(_:_:flags:)`` finds again.
  @inlinable @inline(__always)
  static func writeAtOnce(_ descriptor: CInt, _ bytes: RawSpan) -> Int {
    bytes.withUnsafeBytes { storage in
      var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: storage.baseAddress), iov_len: storage.count)
      return kernelCan.load(ordering: .relaxed)
        ? max(0, ci_pwritev2(descriptor, &vector, 1, CInt(ci_rwf_nosignal))) : 0
    }
  }

  /// Writes once, with the flags of `pwritev2`.
  @inline(__always)
  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, flags: CInt = 0) -> Int {
    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    if kernelCan.load(ordering: .relaxed) {
      let count = ci_pwritev2(descriptor, &vector, 1, flags | CInt(ci_rwf_nosignal))
      if count >= 0 || Errno.current != .notSupported { return count }
      if flags == 0 { kernelCan.store(false, ordering: .relaxed) }
    }
    return writeHoldingSIGPIPEBack(descriptor, bytes, flags)
  }

  @inline(never)
  private static func writeHoldingSIGPIPEBack(
    _ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, _ flags: CInt
  ) -> Int {
    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    return holdingSIGPIPEBack(moving: bytes.count) {
      flags == 0
        ? Glibc.write(descriptor, bytes.baseAddress, bytes.count) : ci_pwritev2(descriptor, &vector, 1, flags)
    }
  }

  /// Holds SIGPIPE back from this thread while `body` writes, and takes the one it raised out of the queue.
  ///
  /// - Parameter wanted: how many bytes `body` is to write. One that writes fewer may have raised the signal as well:
  ///   the reader left when a part was in the pipe.
  static func holdingSIGPIPEBack(moving wanted: Int, _ body: () -> Int) -> Int {
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
    if count < wanted, sigismember(&pending, SIGPIPE) == 0 {
      var now = timespec()
      while sigtimedwait(&pipeSignal, nil, &now) == -1, Glibc.errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, nil)
    Glibc.errno = reason
    return count
  }
}
