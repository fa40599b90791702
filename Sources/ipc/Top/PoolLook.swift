import CInterprocess
import Glibc
import Workers

/// One look at the pools of some processes.
struct PoolLook {
  struct Worker {
    let status: PoolStatus.Worker
    let residentBytes: Int?
    let processorSeconds: Double?
    let isStopped: Bool
    /// Of one processor, since the look before or since its start.
    let load: Double?
    let callSeconds: Double?

    var state: String { isStopped ? "stopped" : status.state }
  }

  let pools: [(process: CInt, crashes: UInt64, workers: [Worker])]
  private let time = ContinuousClock.now

  init(of processes: [CInt], after last: PoolLook?) {
    let now = ContinuousClock.now
    let then = Dictionary(
      (last?.pools.flatMap(\.workers) ?? []).map { ($0.status.process, $0.processorSeconds) }, uniquingKeysWith: { $1 })
    let elapsed = last.map { (now - $0.time).seconds }
    pools = processes.flatMap { process in
      Self.pages(of: process).map { page in
        (
          process, page.crashes,
          page.workers.map { Worker($0, processorSecondsBefore: then[$0.process] ?? nil, elapsed) }
        )
      }
    }
  }

  /// The status pages of a process's own pools.
  private static func pages(of process: CInt) -> [PoolStatus] {
    ProcFile.numbers(in: "/proc/\(process)/fd").compactMap { number in
      let path = "/proc/\(process)/fd/\(number)"
      guard let target = try? ProcFile.target(of: path), target.hasPrefix(PoolStatus.fileName),
        let bytes = try? ProcFile.bytes(of: path), let status = PoolStatus(bytes), status.process == process
      else { return nil }
      return status
    }
  }

  var lines: [String] {
    var lines: [String] = []
    for (process, crashes, workers) in pools {
      lines.append(
        "pool of process \(process)\(process.processName.map { " (\($0))" } ?? ""), workers: \(workers.count)"
          + (crashes > 0 ? ", crashes: \(crashes)" : ""))
      var table = TextTable([
        "pid": .right, "state": .left, "time": .right, "calls": .right, "crashes": .right, "resident": .right,
        "CPU": .right, "call": .left,
      ])
      for worker in workers {
        table.add([
          worker.status.process > 0 ? "\(worker.status.process)" : "-", worker.state,
          worker.callSeconds.map { Duration.seconds($0).readable } ?? "-", "\(worker.status.callsDone)",
          "\(worker.status.crashes)", worker.residentBytes.map { formatted("%.1f MB", Double($0) / 1e6) } ?? "-",
          worker.load.map { formatted("%.0f%%", $0 * 100) } ?? "-", worker.status.call?.printable ?? "-",
        ])
      }
      lines += table.lines
    }
    return lines
  }

  var jsonLines: [String] {
    pools.flatMap { process, crashes, workers in
      workers.map { worker in
        var line = JSONLine()
        line.add("pool", Int(process))
        line.add("worker", worker.status.process > 0 ? Int(worker.status.process) : nil)
        line.add("state", worker.state)
        line.add("call", worker.status.call)
        line.add("callSeconds", worker.callSeconds)
        line.add("calls", Int(clamping: worker.status.callsDone))
        line.add("crashes", Int(clamping: worker.status.crashes))
        line.add("poolCrashes", Int(clamping: crashes))
        line.add("residentBytes", worker.residentBytes)
        line.add("processorSeconds", worker.processorSeconds)
        return line.description
      }
    }
  }
}

extension PoolLook.Worker {
  fileprivate init(_ status: PoolStatus.Worker, processorSecondsBefore before: Double?, _ elapsed: Double?) {
    let usage = status.process > 0 ? ProcessUsage(of: status.process) : nil
    self.status = status
    residentBytes = usage?.residentBytes
    processorSeconds = usage?.processorSeconds
    isStopped = usage?.isStopped ?? false
    if let usage, let before, let elapsed, elapsed > 0 {
      load = max(0, usage.processorSeconds - before) / elapsed
    } else {
      load = usage.flatMap { $0.age > 0 ? $0.processorSeconds / $0.age : nil }
    }
    let now = ProcessUsage.secondsSinceBoot(CLOCK_MONOTONIC)
    callSeconds = status.call == nil ? nil : max(0, now - Double(status.began) * 1e-9)
  }
}

/// What a process has used, from `/proc/PID/stat`.
struct ProcessUsage {
  let isStopped: Bool
  let processorSeconds: Double
  let residentBytes: Int
  /// Seconds since it started.
  let age: Double

  /// - Returns: `nil` when there is no such process, or `/proc` hides it.
  init?(of process: CInt) {
    guard let line = try? ProcFile.text(of: "/proc/\(process)/stat") else { return nil }
    self.init(parsing: line)
  }

  init?(parsing line: String) {
    // The second field is the program's name in parentheses, with any spaces and parentheses of its own.
    guard let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let start = Double(fields[19]), let pages = Int(fields[21])
    else { return nil }
    let ticks = Double(max(1, sysconf(CInt(_SC_CLK_TCK))))
    isStopped = fields[0] == "T" || fields[0] == "t"
    processorSeconds = (user + system) / ticks
    residentBytes = pages.multipliedReportingOverflow(by: sysconf(CInt(_SC_PAGESIZE))).partialValue
    age = Self.secondsSinceBoot(CLOCK_BOOTTIME) - start / ticks
  }

  static func secondsSinceBoot(_ clock: CInt) -> Double {
    var time = timespec()
    clock_gettime(clockid_t(clock), &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
