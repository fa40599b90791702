import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The other side's descriptors, used as they are.
final class Attacker: @unchecked Sendable {
  // Sendable: one thread uses it, from beginning to end.

  private let mechanism: Mechanism
  /// Whether it is sent to.
  private let isReceiving: Bool
  private let numbers: [CInt]
  /// The ids of System V objects.
  private let ids: [CInt]
  private let ring: RingAttack?
  private var end: ChannelEndpoint?
  private var random: SeededGenerator
  private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 8)

  init(_ end: consuming ChannelEndpoint, isReceiving: Bool, _ random: SeededGenerator) throws {
    mechanism = end.mechanism
    self.isReceiving = isReceiving
    self.random = random
    numbers = end.fileDescriptors.map(\.rawValue)
    let description = end.description
    ids = (0..<Int(description[2])).map { index in
      description.withUnsafeBytes { CInt(littleEndian: $0.loadUnaligned(fromByteOffset: 3 + 4 * index, as: CInt.self)) }
    }
    ring = mechanism.isOverRings ? try RingAttack(mechanism, isFirst: end.isFirst, numbers, ids) : nil
    self.end = .some(end)
  }

  deinit { room.deallocate() }

  /// Does up to a dozen things, and goes.
  func attack() {
    // A pipe that nobody reads any more is nothing to die of.
    var broken = sigset_t()
    sigemptyset(&broken)
    sigaddset(&broken, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &broken, nil)
    for _ in 0..<Int.random(in: 1...12, using: &random) {
      switch Int.random(in: 0..<20, using: &random) {
      case 0: letGo()
      case 1...3: spoil()
      case 4...11 where isReceiving: take()
      default: write(nonsense(mechanism, &random))
      }
      if Bool.random(using: &random) { usleep(useconds_t.random(in: 0..<100, using: &random)) }
    }
    leave()
  }

  /// Goes, in order or not.
  private func leave() {
    ring?.leave(&random)
    end = nil
  }

  /// Closes a descriptor, as it were: its number still belongs to the end.
  private func letGo() {
    guard let number = numbers.randomElement(using: &random) else { return }
    let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
    dup2(nothing, number)
    close(nothing)
  }
}

extension Attacker {
  private func write(_ bytes: [UInt8]) {
    switch mechanism {
    case .pipe, .namedPipe: _ = Glibc.write(numbers[1], bytes, min(bytes.count, 4000))
    case .socketPair, .unixSocket:
      let passed = Int.random(in: 0..<3, using: &random) == 0 ? Int.random(in: 0..<5, using: &random) : 0
      let socket = UnixSocket(adopting: OwnedDescriptor(adopting: dup(numbers[0])))
      let files = Array(repeating: FileDescriptor.standardInput, count: passed)
      try? socket.write(bytes, passing: files, timeout: .zero)
    case .posixMessageQueue:
      // A moment that has passed: for looking without waiting.
      var past = timespec()
      _ = ci_mq_send(queue, bytes, min(bytes.count, 8192), 0, &past)
    case .systemVMessageQueue:
      let kinds: [Int] = [1, 1, 2, 2, 3, 3, 4, 5, 255, 256, .max]
      _ = ci_msgsnd(ids[way], kinds.randomElement(using: &random) ?? 1, bytes, min(bytes.count, 8192), IPC_NOWAIT)
    case .file:
      _ = pwrite(numbers[3], room.baseAddress, 100, off_t.random(in: 0..<100, using: &random))
      ring?.write(bytes, &random)
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: ring?.write(bytes, &random)
    }
  }

  /// Takes some of what was sent: in order, or one of its pieces, or a part of one.
  private func take() {
    let count = Int.random(in: 0...room.count, using: &random)
    var past = timespec()
    switch mechanism {
    case .pipe, .namedPipe:
      var entry = pollfd(fd: numbers[0], events: CShort(POLLIN), revents: 0)
      if poll(&entry, 1, 0) > 0 { _ = read(numbers[0], room.baseAddress, count) }
    case .socketPair, .unixSocket: _ = recv(numbers[0], room.baseAddress, count, CInt(MSG_DONTWAIT))
    case .posixMessageQueue: _ = ci_mq_receive(queue, room.baseAddress, room.count, nil, &past)
    case .systemVMessageQueue:
      var kind = 0
      _ = ci_msgrcv(ids[way], &kind, room.baseAddress, room.count, 0, IPC_NOWAIT)
    case .file:
      _ = pread(numbers[3], room.baseAddress, count, 0)
      ring?.take()
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: ring?.take()
    }
  }

  /// Does something to what both sides have.
  private func spoil() {
    switch mechanism {
    case .pipe, .namedPipe: _ = ci_set_pipe_capacity(numbers[0], 4096)
    case .socketPair, .unixSocket:
      let how = [SHUT_RD, SHUT_WR, SHUT_RDWR].randomElement(using: &random) ?? SHUT_RD
      shutdown(numbers[0], CInt(how))
    case .posixMessageQueue:
      sayGoodbye()
      setBlocking(queue, Bool.random(using: &random))
    case .systemVMessageQueue:
      sayGoodbye()
      spoilSystemVQueue()
    case .file:
      _ = fcntl(numbers[3], F_SETFL, Bool.random(using: &random) ? O_APPEND : 0)
      if Bool.random(using: &random) { ftruncate(numbers[3], off_t.random(in: 0..<2 << 20, using: &random)) }
      spoilRings(bells: 1)
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: spoilRings(bells: 2)
    }
  }

  private func spoilRings(bells: Int) {
    sayGoodbye()
    for bell in numbers[1...].prefix(bells) {
      if Bool.random(using: &random) {
        _ = send(bell, room.baseAddress, 100, CInt(MSG_DONTWAIT))
      } else {
        _ = recv(bell, room.baseAddress, 100, CInt(MSG_DONTWAIT))
      }
    }
    for _ in 0..<20 { ring?.scribble(&random) }
  }

  /// Now and then, as one who has closed, and goes on nevertheless.
  private func sayGoodbye() {
    guard Int.random(in: 0..<8, using: &random) == 0 else { return }
    _ = send(numbers[0], room.baseAddress, Int.random(in: 1...3, using: &random), CInt(MSG_DONTWAIT))
  }

  private func spoilSystemVQueue() {
    let id = ids[way]
    var status = msqid_ds()
    guard Int.random(in: 0..<8, using: &random) > 0, msgctl(id, IPC_STAT, &status) == 0 else {
      msgctl(id, IPC_RMID, nil)
      return
    }
    status.msg_qbytes = msglen_t.random(in: 1...16384, using: &random)
    msgctl(id, IPC_SET, &status)
  }

  /// Which of two objects, one for each way: mostly the first, by which there are messages.
  private var way: Int { Int.random(in: 0..<4, using: &random) == 0 ? 1 : 0 }

  private var queue: CInt { numbers[1 + way] }

  /// Both sides' descriptors are of one open file, whose flags these are.
  private func setBlocking(_ descriptor: CInt, _ isBlocking: Bool) {
    let flags = fcntl(descriptor, F_GETFL)
    if flags >= 0 { _ = fcntl(descriptor, F_SETFL, isBlocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) }
  }
}

extension Mechanism {
  fileprivate var isOverRings: Bool {
    switch self {
    case .file, .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: true
    default: false
    }
  }
}
