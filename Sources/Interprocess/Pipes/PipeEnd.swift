import CInterprocess
import Glibc
public import SystemPackage

/// Either end of a pipe or FIFO: what the kernel says about the pipe, and lets one set.
public protocol PipeEnd: ~Copyable {
  /// The descriptor for calls of swift-system, and for event loops: to use and not to close.
  var fileDescriptor: FileDescriptor { get }
}

/// The end of a pipe or FIFO that bytes come out of.
public protocol PipeReader: PipeEnd, ByteReader, ~Copyable {}

/// The end of a pipe or FIFO that bytes go into.
public protocol PipeWriter: PipeEnd, ByteWriter, ~Copyable {}

extension PipeEnd where Self: ~Copyable {
  /// How many bytes one write may have to be atomic, `PIPE_BUF`: 4096 on Linux.
  ///
  /// A blocking write of so many bytes or fewer goes in as a whole, waiting for room for all of it, and what other
  /// writers write comes before or after it. A longer one may be interleaved with theirs.
  public static var atomicWriteSize: Int { Int(PIPE_BUF) }

  var described: String { "pipe \(fileDescriptor.rawValue)" }

  /// How many bytes the pipe holds before writing has to wait; 65536 unless it was set.
  ///
  /// The corresponding C function is `fcntl` with `F_GETPIPE_SZ`.
  ///
  /// - Throws: `Errno.badFileDescriptor` when this end is closed.
  public func capacity() throws(InterprocessError) -> Int {
    Int(try systemCall("fcntl", described) { ci_pipe_capacity(fileDescriptor.rawValue) })
  }

  /// Makes the pipe hold at least `capacity` bytes; the kernel rounds up to a power of two of pages.
  ///
  /// The corresponding C function is `fcntl` with `F_SETPIPE_SZ`.
  ///
  /// - Returns: how many bytes it holds now.
  /// - Throws: `Errno.notPermitted` above `fs.pipe-max-size` for a process without CAP_SYS_RESOURCE, or when the user's
  ///   pipes have too many pages; `Errno.resourceBusy` when more bytes wait in the pipe than it would hold;
  ///   `Errno.invalidArgument` for a number that is negative or above 2^31.
  @discardableResult
  public func setCapacity(_ capacity: Int) throws(InterprocessError) -> Int {
    guard let size = CInt(exactly: capacity), size >= 0 else {
      throw .refused("fcntl", described, "a pipe's capacity is 0 to \(CInt.max) bytes, not \(capacity)")
    }
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .notPermitted:
        """
        \(capacity) is above \(KernelParameter("fs.pipe-max-size").described), or this user's pipes are above \
        \(KernelParameter("fs.pipe-user-pages-soft").described) pages; raise it with sysctl or ask for less
        """
      case .resourceBusy: "more bytes wait in the pipe than it would hold; read them first"
      default: nil
      }
    }
    return Int(
      try systemCall("fcntl", described, remedy: remedy) { ci_set_pipe_capacity(fileDescriptor.rawValue, size) })
  }

  /// How many bytes wait in the pipe to be read.
  ///
  /// The corresponding C function is `ioctl` with `FIONREAD`.
  ///
  /// - Throws: `Errno.badFileDescriptor` when this end is closed.
  public func bytesWaiting() throws(InterprocessError) -> Int {
    var count: CInt = 0
    try systemCall("ioctl", described) { ci_bytes_waiting(fileDescriptor.rawValue, &count) }
    return Int(count)
  }
}
