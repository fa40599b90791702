import CBenchLoops
import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The loops in C over one mechanism, and the objects they work on.
final class RawLoops {
  private var pair = bench_pair()
  private let largestMessage: Int?

  init(_ mechanism: Mechanism) throws {
    largestMessage = mechanism.largestMessage
    let reason = bench_open(mechanism.rawKind, largestMessage ?? 0, &pair)
    if reason != 0 { throw JobFailure("the loop in C has no \(mechanism): \(Errno(rawValue: reason))") }
  }

  /// Removes what would outlive its users. Loops that wait for it return.
  func remove() { bench_remove(&pair) }

  deinit { bench_close(&pair) }

  /// Keeps what one side needs, in its process.
  func takeSide(first: Bool) -> RawSide {
    if first { bench_close_second(&pair) } else { bench_close_first(&pair) }
    return RawSide(kind: pair.kind, line: first ? pair.first : pair.second, largestMessage: largestMessage)
  }
}

/// One side of the loops in C.
struct RawSide {
  private let kind: bench_kind
  private var line: bench_line
  private let largestMessage: Int?

  fileprivate init(kind: bench_kind, line: bench_line, largestMessage: Int?) {
    self.kind = kind
    self.line = line
    self.largestMessage = largestMessage
  }

  func canCarry(_ byteCount: Int) -> Bool { byteCount <= largestMessage ?? .max }

  mutating func roundTrips(_ work: BenchWork, into nanoseconds: UnsafeMutablePointer<UInt64>) throws {
    try check(bench_round_trips(&line, run(work), nanoseconds))
  }

  mutating func echo(_ work: BenchWork) throws { try check(bench_echo(&line, run(work))) }
  mutating func send(_ work: BenchWork) throws { try check(bench_send(&line, run(work))) }
  mutating func receive(_ work: BenchWork) throws { try check(bench_receive(&line, run(work))) }

  private func run(_ work: BenchWork) -> bench_run {
    bench_run(
      kind: kind, bytes: work.bytes, buffer: work.buffer.start, count: work.count,
      shares_cpu: work.pinning == .same)
  }

  private func check(_ reason: CInt) throws {
    if reason != 0 { throw JobFailure("the loop in C failed: \(Errno(rawValue: reason))") }
  }
}

/// Memory for one message, with what System V queues have before it.
final class BenchBuffer {
  private let memory: UnsafeMutableRawPointer
  var start: UnsafeMutableRawPointer { memory + 64 }

  init() {
    memory = .allocate(byteCount: 64 + BenchCell.largestMessage, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 7, count: 64 + BenchCell.largestMessage)
  }

  deinit { memory.deallocate() }
}

extension Mechanism {
  fileprivate var rawKind: bench_kind {
    switch self {
    case .file: bench_file
    case .mappedFile: bench_mapped_file
    case .pipe: bench_pipe
    case .namedPipe: bench_named_pipe
    case .socketPair: bench_socket_pair
    case .unixSocket: bench_unix_socket
    case .posixMessageQueue: bench_posix_queue
    case .systemVMessageQueue: bench_system_v_queue
    case .posixSharedMemory: bench_posix_memory
    case .systemVSharedMemory: bench_system_v_memory
    case .anonymousMemory, .ring: bench_anonymous_memory
    }
  }

  /// What the loop in C does over it, in a few words.
  var rawLoop: String {
    switch self {
    case .file: "pwrite and pread round a circle, eventfds that count the bytes"
    case .pipe, .namedPipe: "write and read"
    case .socketPair, .unixSocket: "send and recv"
    case .posixMessageQueue: "mq_send and mq_receive"
    case .systemVMessageQueue: "msgsnd and msgrcv"
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring:
      "a spinning ping-pong of cache lines, or on one CPU a futex; slots of one size up to 4 KiB, beyond that one memcpy"
    }
  }
}
