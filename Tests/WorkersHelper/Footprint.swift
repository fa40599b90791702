import Glibc
import WorkerPrograms

/// What this process and its descendants have at a moment, for comparing with what they have later.
struct Footprint {
  var descriptors: [String]
  var threads: Int
  var processes: [String]
  var objects: [String]

  /// Has this process lead a session, so that its descendants are known by it whoever their parents are by then.
  static func leadSession() {
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    if setsid() == -1, getsid(0) != getpid() { say("no session of its own: \(errno)") }
  }

  /// - Parameter workers: the processes there have been.
  static func now(of workers: Set<CInt> = []) -> Footprint {
    // The runtime's: a queue of libdispatch's has made it whenever it came to that.
    let descriptors = names(in: "/proc/self/fd").compactMap(target).filter { $0 != "anon_inode:[timerfd]" }
    return Footprint(
      descriptors: descriptors.sorted(), threads: names(in: "/proc/self/task").count, processes: descendants(),
      objects: mappings + objectNames + systemVObjects(of: workers.union([getpid()])))
  }

  /// What a descriptor leads to; `nil` where there is none any more, as of a directory that was being read.
  static func target(ofDescriptor name: String) -> String? {
    var target = [CChar](repeating: 0, count: 256)
    guard readlink("/proc/self/fd/\(name)", &target, 255) > 0 else { return nil }
    return String(decoding: target.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The library's memory that this process has mapped.
  private static var mappings: [String] {
    lines(of: "/proc/self/maps").compactMap { line in
      guard line.contains("interprocess-") || line.contains("/SYSV") else { return nil }
      return line.split(separator: " ", maxSplits: 5).last.map { "mapped \($0)" }
    }
  }

  /// What the library has by a name, which it takes away at once: other tests have names of their own there.
  private static var objectNames: [String] {
    ["/dev/shm", "/dev/mqueue"].flatMap { folder in
      names(in: folder).filter { $0.hasPrefix("interprocess-") && !$0.hasPrefix("interprocess-test-") }
        .map { "\(folder)/\($0)" }
    }
  }

  /// System V segments and queues that one of the processes has made or used. Other tests have theirs.
  private static func systemVObjects(of processes: Set<CInt>) -> [String] {
    let processes = processes.union(names(in: "/proc/self/task").compactMap { CInt($0) })
    let queues = QueueEntry.all.filter { processes.contains($0.lastSender) || processes.contains($0.lastReceiver) }
    let segments = lines(of: "/proc/sysvipc/shm").compactMap { line -> CInt? in
      let fields = line.split(separator: " ").map { CInt($0) }
      guard fields.count > 5, let maker = fields[4], let user = fields[5] else { return nil }
      return processes.contains(maker) || processes.contains(user) ? fields[1] : nil
    }
    return queues.map { "queue \($0.id)" } + segments.map { "segment \($0)" }
  }

  /// The least there is within a moment: what has just been closed may take one to go.
  static func settled() -> Footprint {
    var least = now()
    for _ in 0..<30 {
      usleep(5000)
      let next = now()
      if next.descriptors.count < least.descriptors.count { least.descriptors = next.descriptors }
      least.threads = min(least.threads, next.threads)
    }
    return least
  }

  /// What there is now and was not before; waits a while for it to go.
  ///
  /// - Parameter workers: the processes there have been.
  func left(of workers: Set<CInt> = [], within duration: Duration = .seconds(10)) -> [String] {
    let end = ContinuousClock.now + duration
    while true {
      let now = Footprint.now(of: workers)
      var left = now.processes + Self.new(in: now.objects, since: objects)
      if now.descriptors.count > descriptors.count {
        let new = Self.new(in: now.descriptors, since: descriptors)
        left.append("\(now.descriptors.count - descriptors.count) descriptors, of \(new)")
      }
      if now.threads > threads { left.append("threads \(threads) -> \(now.threads)") }
      if left.isEmpty || ContinuousClock.now > end { return left }
      usleep(1000)
    }
  }

  private static func new(in things: [String], since old: [String]) -> [String] {
    old.reduce(into: things) { new, thing in
      if let index = new.firstIndex(of: thing) { new.remove(at: index) }
    }
  }

  /// All processes of this session but this one, those that nobody has reaped included.
  static func descendants() -> [String] {
    let session = getsid(0)
    return names(in: "/proc").compactMap { name in
      guard let id = CInt(name), id != getpid(), getsid(id) == session else { return nil }
      return "process \(id) \(status(of: id))"
    }
  }

  /// The fork servers among this process's children.
  static func forkServers() -> [CInt] {
    names(in: "/proc").compactMap { CInt($0) }.filter { id in
      let status = status(of: id)
      return status.contains("(fork server) ") && !status.contains(") Z ") && status.contains(" \(getpid()) ")
    }
  }

  /// The beginning of its `/proc/PID/stat`: id, name, state, parent, group, session.
  static func status(of process: CInt) -> String {
    guard let file = fopen("/proc/\(process)/stat", "r") else { return "" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 80)
    guard fgets(&line, CInt(line.count), file) != nil else { return "" }
    return String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
