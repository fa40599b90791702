import CInterprocess
import Glibc
import SystemPackage

/// Reading and writing a FIFO that this library has opened, and whose description is its own therefore.
///
/// A FIFO knows no RWF_NOWAIT. The first call that is not to wait makes the description non-blocking, for good; those
/// that wait do so in `poll` from then on.
enum FIFOCalls: StreamCalls {
  static var readCall: StaticString { "read" }
  static var writeCall: StaticString { "write" }

  @inline(__always)
  static func read(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, waiting: Bool) -> Int {
    if !waiting, !becomeNonblocking(descriptor) { return -1 }
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 || !waiting || Errno.current != .wouldBlock { return count }
      if !wait(descriptor, POLLIN) { return -1 }
    }
  }

  @inline(__always)
  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, waiting: Bool) -> Int {
    if !waiting, !becomeNonblocking(descriptor) { return -1 }
    while true {
      let count = WriteWithoutSignal.write(descriptor, bytes)
      if count >= 0 || !waiting || Errno.current != .wouldBlock { return count }
      if !wait(descriptor, POLLOUT) { return -1 }
    }
  }

  @inline(never)
  private static func becomeNonblocking(_ descriptor: CInt) -> Bool {
    let flags = fcntl(descriptor, F_GETFL)
    if flags == -1 { return false }
    return flags & O_NONBLOCK != 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != -1
  }

  @inline(never)
  private static func wait(_ descriptor: CInt, _ events: CInt) -> Bool {
    var entry = pollfd(fd: descriptor, events: CShort(events), revents: 0)
    return poll(&entry, 1, -1) != -1
  }
}
