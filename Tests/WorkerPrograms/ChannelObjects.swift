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

  private static func sharedMemory(where isMeant: (String) -> Bool) -> [(UInt, UInt)] {
    guard let file = fopen("/proc/self/maps", "r") else { return [] }
    defer { fclose(file) }
    var places: [(UInt, UInt)] = []
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, CInt(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let ends = text.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
      if text.contains(" rw-s "), ends.count == 2, isMeant(text) { places.append((ends[0], ends[1])) }
    }
    return places
  }

  /// All but the standard ones.
  private static var descriptors: [CInt] {
    openDescriptors().map(CInt.init).filter { $0 > STDERR_FILENO }
  }

  private static func isQueue(_ descriptor: CInt) -> Bool {
    var attributes = mq_attr()
    return mq_getattr(descriptor, &attributes) == 0
  }

  /// The queues that this process has sent to.
  private static var systemVQueues: [CInt] {
    guard let file = fopen("/proc/sysvipc/msg", "r") else { return [] }
    defer { fclose(file) }
    var queues: [CInt] = []
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, CInt(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let fields = text.split(separator: " ").map { CInt($0) }
      if fields.count > 5, fields[5] == getpid(), let queue = fields[1] { queues.append(queue) }
    }
    return queues
  }
}
