import Glibc

/// What this process and its descendants have at a moment, for comparing with what they have later.
struct Footprint {
  var descriptors: [String]
  var threads: Int
  var processes: [String]

  /// Has this process lead a session, so that its descendants are known by it whoever their parents are by then.
  static func leadSession() {
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    if setsid() == -1, getsid(0) != getpid() { say("no session of its own: \(errno)") }
  }

  static func now() -> Footprint {
    let descriptors = names(in: "/proc/self/fd").compactMap { name -> String? in
      var target = [CChar](repeating: 0, count: 256)
      // The directory that is being read is gone by now.
      guard readlink("/proc/self/fd/\(name)", &target, 255) > 0 else { return nil }
      let path = String(decoding: target.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      // The runtime's: a queue of libdispatch's has made it whenever it came to that.
      return path == "anon_inode:[timerfd]" ? nil : path
    }
    return Footprint(
      descriptors: descriptors.sorted(), threads: names(in: "/proc/self/task").count, processes: descendants())
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
  func left(within duration: Duration = .seconds(5)) -> [String] {
    let end = ContinuousClock.now + duration
    while true {
      let now = Footprint.now()
      var left: [String] = now.processes
      if now.descriptors.count > descriptors.count {
        var new = now.descriptors
        for old in descriptors { if let index = new.firstIndex(of: old) { new.remove(at: index) } }
        left.append("\(now.descriptors.count - descriptors.count) descriptors, of \(new)")
      }
      if now.threads > threads { left.append("threads \(threads) -> \(now.threads)") }
      if left.isEmpty || ContinuousClock.now > end { return left }
      usleep(1000)
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

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }
}
