import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// A POSIX queue as what it is to the kernel, a file of the mqueue filesystem, which `mq_open` finds by its name
/// wherever that is mounted, or nowhere.
struct POSIXMessageQueueFile: ~Copyable {
  let status: stat
  /// How many messages wait in it.
  let messages: Int
  /// How many it holds at most, and how large each may be.
  let maximumMessages: Int
  let maximumMessageSize: Int
  /// How many bytes its messages have together; `nil` where the kernel does not say.
  let bytes: Int?

  /// - Throws: `Errno.noSuchFileOrDirectory`; `Errno.permissionDenied`.
  init(opening name: String) throws(Errno) {
    let queue = try WriteLease.patiently { () throws(Errno) in try Self.open(name) }
    var status = stat()
    var attributes = mq_attr()
    guard fstat(queue.rawValue, &status) == 0, mq_getattr(queue.rawValue, &attributes) == 0 else {
      throw Errno(rawValue: errno)
    }
    self.status = status
    messages = attributes.mq_curmsgs
    maximumMessages = attributes.mq_maxmsg
    maximumMessageSize = attributes.mq_msgsize
    bytes = Self.bytes(in: queue)
  }

  /// Opens a queue, without waiting for one that has a lease on it.
  static func open(_ name: String) throws(Errno) -> OwnedDescriptor {
    let descriptor = ci_mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, nil)
    if descriptor == -1 { throw Errno(rawValue: errno) }
    return OwnedDescriptor(adopting: descriptor)
  }

  /// Reading the file gives one line: `QSIZE:5          NOTIFY:0     SIGNO:0     NOTIFY_PID:0`.
  private static func bytes(in queue: borrowing OwnedDescriptor) -> Int? {
    let line = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      count = max(0, read(queue.rawValue, buffer.baseAddress, buffer.count))
    }
    let field = String(decoding: line, as: UTF8.self).split(separator: " ").first
    return field.flatMap { $0.hasPrefix("QSIZE:") ? Int($0.dropFirst(6)) : nil }
  }
}
