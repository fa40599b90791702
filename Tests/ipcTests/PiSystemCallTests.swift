import TestSupport
import Testing

@testable import ipc

/// What the kernel was really asked for: each mechanism's own calls, and no other way from the children to the parent.
@Suite("ipc pi's system calls", .blocking, .queues(), .enabled(if: Strace.isAvailable, "\(Strace.absence)"))
struct PiSystemCallTests {
  /// The ways that bytes can take between processes, by the call that opens or uses each.
  private enum Channel: String, CaseIterable {
    case file = #"write\(\d+, .{16,80}, 16"#
    case sharedMapping = #"mmap\(.*PROT_WRITE.*MAP_SHARED"#
    case pipe = #"pipe2?\("#
    case fifo = #"mknod(at)?\(.*S_IFIFO"#
    case socketPair = #"socketpair\("#
    case socket = #"connect\("#
    case posixQueue = #"mq_open\("#
    case systemVQueue = #"msgget\("#
    case systemVSegment = #"shmget\("#
    case systemVSemaphore = #"semget\("#
    case posixMemory = #"openat\(.*"/dev/shm/ipc-pi"#
    case posixSemaphore = #"openat\(.*"/dev/shm/sem\."#
    case memfd = #"memfd_create\("#
  }

  private static func channels(of mechanism: PiMechanism) -> Set<Channel> {
    switch mechanism {
    case .file: [.file]
    case .mappedFile: [.sharedMapping]
    case .pipe: [.pipe]
    case .namedPipe: [.fifo]
    case .socketPair: [.socketPair]
    case .unixSocket: [.socket]
    case .posixMessageQueue: [.posixQueue]
    case .systemVMessageQueue: [.systemVQueue]
    case .posixSharedMemory: [.posixMemory, .posixSemaphore, .sharedMapping]
    case .systemVSharedMemory: [.systemVSegment, .systemVSemaphore]
    case .anonymousMemory, .ring: [.memfd, .sharedMapping]
    }
  }

  /// The call, made in a child, that hands the sum over; memory needs none.
  private static func delivery(of mechanism: PiMechanism) -> String? {
    switch mechanism {
    case .file: #"write\(\d+, "\\[0-2]"#
    case .pipe, .namedPipe: #"writev?2?\(\d+, "#
    case .socketPair, .unixSocket: #"sendto\(\d+, "\\[0-2]"#
    case .posixMessageQueue: #"mq_timedsend\(\d+, "\\[0-2]"#
    case .systemVMessageQueue: #"msgsnd\(\d+, \{mtype=[1-3], "#
    case .systemVSharedMemory: #"semtimedop\(\d+, \[\{sem_num=0, sem_op=1, sem_flg=SEM_UNDO"#
    case .anonymousMemory: #"futex\(0x[0-9a-f]+, FUTEX_WAKE, "#
    // The bell is rung only for a parent that waits.
    case .mappedFile, .posixSharedMemory, .ring: nil
    }
  }

  @Test("each mechanism uses its own calls, and no other channel", arguments: PiMechanism.allCases)
  func calls(mechanism: PiMechanism) throws {
    let trace = try Strace.run(
      [Package.program("ipc"), "pi", "--via", mechanism.rawValue] + ["--terms", "300", "--workers", "3"])
    let parent = try #require(trace.first?.process)
    let used = try Channel.allCases.filter { channel in
      let pattern = try Regex(channel.rawValue)
      return trace.contains { $0.call.firstMatch(of: pattern) != nil }
    }
    #expect(Set(used) == Self.channels(of: mechanism))

    let children = Set(trace.map(\.process)).subtracting([parent])
    #expect(children.count == 3)
    guard let delivery = try Self.delivery(of: mechanism).map({ try Regex($0) }) else { return }
    for child in children {
      #expect(trace.contains { $0.process == child && $0.call.firstMatch(of: delivery) != nil })
    }
  }

  @Test("each process closes the ends of pipes and socket pairs that it does not use")
  func unusedEnds() throws {
    for mechanism in ["pipe", "socket-pair"] {
      let trace = try Strace.run([Package.program("ipc"), "pi", "--via", mechanism, "--terms", "300", "--workers", "3"])
      let parent = try #require(trace.first?.process)
      let closedByChildren = trace.filter { $0.process != parent && $0.call.hasPrefix("close(") }.count
      // Each child its own two ends, and the parent's ends of the children before it.
      #expect(closedByChildren == 2 + 3 + 4)
    }
  }
}
