import Interprocess
import SystemPackage

/// What a process started again is to be, the first message after the greeting.
struct Commission {
  enum Role {
    case forkServer
    /// A ``StartRequest``, encoded: where the fork server may not fork.
    case worker([UInt8])
  }

  var role: Role
  /// What the user had in SWIFT_BACKTRACE, for the programs that workers start.
  var backtraceSetting: String?
  /// Whether a crash prints a backtrace.
  var wantsBacktraces: Bool
  /// The parent's depth.
  var depth: Int

  /// With the parent's pidfd, for a worker also the control socket, and then the request's descriptors.
  func encoded() -> [UInt8] {
    var writer = FieldWriter()
    writer.put(backtraceSetting) { $0.put($1) }
    writer.put(wantsBacktraces ? 1 : 0)
    writer.put(depth)
    switch role {
    case .forkServer: writer.put(0)
    case .worker(let request):
      writer.put(1)
      writer.put(request)
    }
    return writer.bytes
  }

  init(role: Role, backtraceSetting: String?, wantsBacktraces: Bool, depth: Int) {
    self.role = role
    self.backtraceSetting = backtraceSetting
    self.wantsBacktraces = wantsBacktraces
    self.depth = depth
  }

  init(decoding bytes: [UInt8]) throws(FieldReader.Malformed) {
    var reader = FieldReader(bytes)
    backtraceSetting = try reader.optional { reader throws(FieldReader.Malformed) in try reader.text() }
    wantsBacktraces = try reader.number(Int.self) != 0
    depth = try reader.number()
    role = try reader.number(Int.self) == 0 ? .forkServer : .worker(try reader.blob())
  }
}

/// What a parent asks of its fork server.
enum Request {
  /// Followed by the fields of a ``StartRequest``.
  case start([UInt8])
  /// Kill the worker: the parent could not take its pidfd.
  case kill(UInt64)
  /// With the pidfd of another fork server's worker, to be killed when the parent dies; its queues are removed then.
  case adopt(queues: [CInt])
  /// Kill all workers and end.
  case end

  func encoded() -> [UInt8] {
    var writer = FieldWriter()
    switch self {
    case .start(let fields):
      writer.put(0)
      writer.put(fields)
    case .kill(let id):
      writer.put(1)
      writer.put(id)
    case .adopt(let queues):
      writer.put(2)
      writer.put(numbers: queues)
    case .end: writer.put(3)
    }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws(FieldReader.Malformed) {
    var reader = FieldReader(bytes)
    switch try reader.number(Int.self) {
    case 0: self = .start(try reader.blob())
    case 1: self = .kill(try reader.number())
    case 2: self = .adopt(queues: try reader.numbers())
    case 3: self = .end
    default: throw FieldReader.Malformed()
    }
  }
}

/// What a fork server, or a worker that has just begun, tells the parent.
enum Report {
  /// With the worker's pidfd.
  case started(id: UInt64, process: CInt)
  /// The worker could not be started; `process` is 0 where there is none to end.
  case failed(id: UInt64, process: CInt, call: String, errno: CInt)
  case changed(id: UInt64, status: CInt, usage: ResourceUsage)

  func encoded() -> [UInt8] {
    var writer = FieldWriter()
    switch self {
    case .started(let id, let process):
      writer.put(0)
      writer.put(id)
      writer.put(process)
    case .failed(let id, let process, let call, let errno):
      writer.put(1)
      writer.put(id)
      writer.put(process)
      writer.put(call)
      writer.put(errno)
    case .changed(let id, let status, let usage):
      writer.put(2)
      writer.put(id)
      writer.put(status)
      writer.put(usage.maximumResidentBytes)
      writer.put(usage.userTime.wholeMicroseconds)
      writer.put(usage.systemTime.wholeMicroseconds)
    }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws(FieldReader.Malformed) {
    var reader = FieldReader(bytes)
    switch try reader.number(Int.self) {
    case 0: self = .started(id: try reader.number(), process: try reader.number())
    case 1:
      self = .failed(
        id: try reader.number(), process: try reader.number(), call: try reader.text(), errno: try reader.number())
    case 2:
      let (id, status): (UInt64, CInt) = (try reader.number(), try reader.number())
      self = .changed(
        id: id, status: status,
        usage: ResourceUsage(
          maximumResidentBytes: try reader.number(), userTime: .microseconds(try reader.number(Int64.self)),
          systemTime: .microseconds(try reader.number(Int64.self))))
    default: throw FieldReader.Malformed()
    }
  }
}

extension Duration {
  fileprivate var wholeMicroseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max : product &+ attoseconds / 1_000_000_000_000
  }
}
