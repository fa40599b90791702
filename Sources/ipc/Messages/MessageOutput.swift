import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// Standard output, where received messages go. What was taken from a queue is nowhere else any more: so it is asked
/// beforehand whether anybody reads, and what cannot be written is told on standard error.
enum MessageOutput {
  /// - Throws: why no message is to be taken now.
  static func check() throws {
    try Interruption.check()
    var entry = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    _ = poll(&entry, 1, 0)
    if entry.revents & Int16(POLLERR) != 0 { try fail(.brokenPipe) }
    if fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE == O_RDONLY { try fail(.badFileDescriptor) }
  }

  /// Writes a message that was taken.
  static func write(_ message: [UInt8], as format: MessageFormat) throws {
    do {
      try write(format.encode(message)[...])
    } catch {
      complain(
        "a message that was taken could not be written; in hexadecimal it is "
          + String(decoding: MessageFormat.hex.encode(message).dropLast(), as: UTF8.self))
      throw error
    }
  }

  /// Writes all of `bytes`, waiting for room even where standard output does not.
  static func write(_ bytes: ArraySlice<UInt8>) throws {
    var rest = bytes
    while !rest.isEmpty {
      do {
        rest = rest.dropFirst(
          try rest.withUnsafeBytes { try FileDescriptor.standardOutput.write($0, retryOnInterrupt: false) })
      } catch Errno.interrupted {
        try Interruption.check()
      } catch Errno.wouldBlock {
        var entry = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, 100)
        try Interruption.check()
      } catch let reason as Errno {
        try fail(reason)
      }
    }
  }

  /// Who reads no more has what they wanted, as ``finishOutput()`` has it.
  private static func fail(_ reason: Errno) throws {
    if reason == .brokenPipe { throw Interruption.Signalled(signal: SIGPIPE) }
    throw InterprocessError(call: "write", object: "standard output", errno: reason)
  }
}
