import Glibc
import Interprocess
import Synchronization
import SystemPackage
package import Workers

/// Does what its setup says, word by word, and tells over its first descriptor.
package enum Act: WorkerProgram {
  package static func start(_ worker: consuming WorkerStart) {
    let words = String(decoding: worker.setup, as: UTF8.self).split(separator: " ").map(String.init)
    let depth = worker.depth
    var worker = worker
    let fact = worker.takeDescriptor()?.release().rawValue ?? -1
    @Sendable func tell(_ text: String) {
      let line = Array("\(text)\n".utf8)
      _ = write(fact, line, line.count)
    }
    for (index, word) in words.enumerated() {
      switch word {
      case "ready": tell("ready \(getpid())")
      case "depth": tell("depth \(depth)")
      case "setup-size": tell("size \(words.reduce(0) { $0 + $1.utf8.count } + words.count - 1)")
      case "variable": tell("variable \(getenv(words[index + 1]).map { String(cString: $0) } ?? "none")")
      case "directory": tell("directory \(String(cString: getcwd(nil, 0)))")
      case "open-files": tell("open \(openDescriptors().sorted())")
      case "signals": tell("signals \(signalState())")
      case "group": tell("group \(getpgid(0) == getpid())")
      case "environment-of-child": tell(run("/usr/bin/env").contains("INTERPROCESS") ? "marker" : "no marker")
      case "backtrace-of-child":
        let setting = run("/usr/bin/env").split(separator: "\n").first { $0.hasPrefix("SWIFT_BACKTRACE=") }
        tell(setting.map(String.init) ?? "none")
      case "errors": say("first line\nlast words\n")
      case "many-errors": for line in 0..<10000 { say("line \(line)\n") }
      case "end", "spin", "block", "nap": finish(word)
      case "stop": raise(SIGSTOP)
      case "segfault": raise(SIGSEGV)
      case "abort": abort()
      case "trap": trap(words.count)
      case "kill": raise(SIGKILL)
      case "term": raise(SIGTERM)
      case "exit-0": _exit(0)
      case "exit-3": exit(3)
      case "memory": touch(words.count)
      case "watch": watch(tell)
      case "tasks": return tasks()
      case "concurrency": return concurrency(tell)
      case "nested": return nested(fact)
      case "burn": burn()
      default: break
      }
    }
  }

  private static func finish(_ word: String) {
    if word == "end" { exit(0) }
    if word == "spin" { while getpid() > 0 {} }
    // Blocked in C with every signal blocked.
    if word == "block" {
      var all = sigset_t()
      sigfillset(&all)
      pthread_sigmask(SIG_SETMASK, &all, nil)
      while true { sleep(1000) }
    }
    if word == "nap" { while true { pause() } }
  }

  private static func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
  }

  private static func trap(_ count: Int) {
    let numbers = [1, 2, 3]
    print(numbers[count + 5])
  }

  private static func burn() {
    let start = clock()
    while clock() - start < 50_000 {}
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64 << 20, alignment: 4096)
    // Through the kernel: what nobody reads, the optimizer would not write.
    _ = read(open("/dev/zero", O_RDONLY), memory, 64 << 20)
    exit(0)
  }

  /// Takes memory until there is none.
  private static func touch(_ count: Int) {
    var blocks: [[UInt8]] = []
    while true { blocks.append([UInt8](repeating: UInt8(truncatingIfNeeded: count), count: 1 << 20)) }
  }

  /// The watching thread is called twice while the main thread spins, and then no more.
  private static func watch(_ tell: @escaping @Sendable (String) -> Void) {
    var ends: [CInt] = [-1, -1]
    pipe(&ends)
    let reader = ends[0]
    let calls = Mutex(0)
    try? WatchingThread.watch(FileDescriptor(rawValue: reader)) {
      var byte: UInt8 = 0
      _ = read(reader, &byte, 1)
      tell("watched \(byte)")
      return calls.withLock { calls in
        calls += 1
        return calls < 2
      }
    }
    _ = write(ends[1], [1, 2, 3] as [UInt8], 3)
  }

  private static func tasks() {
    for _ in 0..<4 {
      Task { while true { try await Task.sleep(for: .milliseconds(1)) } }
    }
  }

  private static func concurrency(_ tell: @escaping @Sendable (String) -> Void) {
    Task {
      try? await Task.sleep(for: .milliseconds(1))
      let sum = await withTaskGroup(of: Int.self) { group in
        for index in 0..<10 { group.addTask { await Task.detached { index }.value } }
        return await group.reduce(0, +)
      }
      let main = await MainActor.run { 1 }
      tell("sum \(sum) main \(main)")
      exit(0)
    }
  }

  /// A pool in the worker.
  private static func nested(_ fact: CInt) {
    do {
      let server = try ForkServer.start()
      let worker = try server.startWorker(
        program: Act.self, setup: Array("depth end".utf8), descriptors: [FileDescriptor(rawValue: fact)]
      ) { if case .ended = $0 { exit(0) } }
      kept.withLock { $0 = (server, worker) }
    } catch {
      let text = Array("\(error)\n".utf8)
      _ = write(fact, text, text.count)
      exit(1)
    }
  }

  private static let kept = Mutex<(ForkServer, WorkerProcess)?>(nil)
}
