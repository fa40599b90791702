import CInterprocess
import Glibc
import Interprocess

/// What a worker's channel is made of, used past the library.
enum ChannelObjects {
  /// Writes into whatever socket, pipe or queue takes it.
  static func write(_ bytes: [UInt8]) {
    for descriptor in descriptors {
      var status = stat()
      fstat(descriptor, &status)
      switch status.st_mode & S_IFMT {
      case S_IFSOCK: _ = send(descriptor, bytes, bytes.count, CInt(MSG_DONTWAIT | MSG_NOSIGNAL))
      case S_IFIFO:
        var entry = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
        if poll(&entry, 1, 0) > 0 { _ = Glibc.write(descriptor, bytes, bytes.count) }
      default:
        var entry = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
        if isQueue(descriptor), poll(&entry, 1, 0) > 0 {
          _ = ci_mq_send(descriptor, bytes, min(bytes.count, 512), 0, nil)
        }
      }
    }
    for queue in systemVQueues { _ = ci_msgsnd(queue, 1, bytes, min(bytes.count, 512), CInt(IPC_NOWAIT)) }
  }

  /// Sends the first piece of a message of several, as large as pieces are, to whatever queue takes it.
  ///
  /// - Parameters:
  ///   - total: what it says of the length of the whole.
  ///   - count: what it says of its own, where it says that.
  static func writePiece(total: UInt64, count: UInt32 = 100) {
    let length = Hostility.word(total)
    for descriptor in descriptors where isQueue(descriptor) {
      var attributes = mq_attr()
      mq_getattr(descriptor, &attributes)
      let tail = Hostility.word(2 | UInt64(count) << 32) + length
      let piece = [UInt8](repeating: 17, count: attributes.mq_msgsize - tail.count) + tail
      var entry = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
      if poll(&entry, 1, 0) > 0 { _ = ci_mq_send(descriptor, piece, piece.count, 0, nil) }
    }
    let piece = length + [UInt8](repeating: 17, count: 100)
    for queue in systemVQueues { _ = ci_msgsnd(queue, 2, piece, piece.count, CInt(IPC_NOWAIT)) }
  }

  /// Writes into whatever socket takes it, with a descriptor.
  static func pass(_ bytes: [UInt8], _ descriptor: borrowing OwnedDescriptor) {
    let passed = descriptor.fileDescriptor
    for descriptor in descriptors {
      var status = stat()
      fstat(descriptor, &status)
      guard status.st_mode & S_IFMT == S_IFSOCK else { continue }
      let socket = UnixSocket(adopting: OwnedDescriptor(adopting: dup(descriptor)))
      try? socket.write(bytes, passing: [passed], timeout: .zero)
    }
  }

  /// The same by the socket alone that memory goes by: it comes after that for cancelling, and before the channel's.
  static func passMemory(_ bytes: [UInt8], _ descriptor: borrowing OwnedDescriptor) {
    guard let number = sockets.dropFirst().first else { return }
    let socket = UnixSocket(adopting: OwnedDescriptor(adopting: dup(number)))
    try? socket.write(bytes, passing: [descriptor.fileDescriptor], timeout: .zero)
  }

  static func closeAll() {
    for descriptor in descriptors { close(descriptor) }
  }

  /// Writes random words over all memory that this process shares with others for writing, but for the marks of a test.
  static func scribble(_ random: inout SeededGenerator) {
    for (start, end) in sharedMemory(where: { !$0.contains("marks") }) {
      for _ in 0..<64 {
        // The heads of the rings, with their indices, more often than what is in them.
        let most = Bool.random(using: &random) ? min(end - start, 1024) : end - start
        let offset = UInt.random(in: 0..<(most / 8), using: &random) * 8
        let word =
          Bool.random(using: &random)
          ? UInt64.random(in: 0 ... .max, using: &random) : UInt64.random(in: 0..<4096, using: &random)
        UnsafeMutableRawPointer(bitPattern: start + offset)?.storeBytes(of: word, as: UInt64.self)
      }
    }
  }

  /// Memory with a size, and without pages.
  static func hollowMemory(_ byteCount: Int) -> OwnedDescriptor {
    let descriptor = ci_memfd_create("hollow", ci_mfd_cloexec() | ci_mfd_allow_sealing())
    ftruncate(descriptor, byteCount)
    return OwnedDescriptor(adopting: descriptor)
  }

  /// Writes into its journal which element it is at.
  static func writeJournal(element: UInt64) {
    for (start, _) in sharedMemory(where: { $0.contains("interprocess-journal") }) {
      UnsafeMutableRawPointer(bitPattern: start + 8)?.storeBytes(of: element, as: UInt64.self)
    }
  }

  static func sharedMemory(where isMeant: (String) -> Bool) -> [(UInt, UInt)] {
    lines(of: "/proc/self/maps").compactMap { text in
      let ends = text.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
      return text.contains(" rw-s ") && ends.count == 2 && isMeant(text) ? (ends[0], ends[1]) : nil
    }
  }

  /// All but the standard ones.
  static var descriptors: [CInt] { openDescriptors().map(CInt.init).filter { $0 > STDERR_FILENO } }

  /// In the order in which they came; each once, though it may have been copied.
  static var sockets: [CInt] {
    var known: Set<UInt> = []
    return descriptors.filter { descriptor in
      var status = stat()
      fstat(descriptor, &status)
      return status.st_mode & S_IFMT == S_IFSOCK && known.insert(status.st_ino).inserted
    }
  }

  static func isQueue(_ descriptor: CInt) -> Bool {
    var attributes = mq_attr()
    return mq_getattr(descriptor, &attributes) == 0
  }

  /// The queues that this process has sent to.
  static var systemVQueues: [CInt] {
    QueueEntry.all.filter { $0.lastSender == getpid() }.map(\.id)
  }
}

/// A System V queue, as `/proc/sysvipc/msg` has it.
package struct QueueEntry {
  package let id: CInt
  let messages: CInt
  package let lastSender: CInt
  /// Of one that waited for a message, its thread.
  package let lastReceiver: CInt

  package static var all: [QueueEntry] {
    lines(of: "/proc/sysvipc/msg").compactMap { line in
      let fields = line.split(separator: " ").compactMap { CInt($0) }
      guard fields.count > 6 else { return nil }
      return QueueEntry(id: fields[1], messages: fields[4], lastSender: fields[5], lastReceiver: fields[6])
    }
  }
}
