import CBenchLoops
import CInterprocess
import Glibc

/// The machine that is measured, since figures mean nothing without it.
struct MachineFacts {
  let cpuModel: String
  let cpus: Int
  /// How many of them this process may use.
  let usableCPUs: Int
  /// Whether processes may be told where to run: a sandbox may refuse that.
  let canPin: Bool
  let kernel: String
  /// When the measuring began, in the time zone of the machine.
  let date: String

  static func read() -> MachineFacts {
    var name = utsname()
    uname(&name)
    let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return MachineFacts(
      cpuModel: modelName ?? "a processor without a name", cpus: sysconf(CInt(_SC_NPROCESSORS_ONLN)),
      usableCPUs: Int(bench_cpus(nil, 0)), canPin: canPinNow, kernel: "Linux \(release)", date: now)
  }

  private static var canPinNow: Bool {
    var first: CInt = -1
    return bench_cpus(&first, 1) > 0 && bench_pin(first) == 0 && bench_pin(-1) == 0
  }

  private static var modelName: String? {
    guard let text = try? ProcFile.text(of: "/proc/cpuinfo") else { return nil }
    return text.split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " }) }
  }

  private static var now: String {
    var seconds = time(nil)
    var parts = tm()
    localtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M %Z", &parts)
    return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  var line: String {
    "\(cpuModel), \(cpus) CPUs" + (usableCPUs == cpus ? "" : " (\(usableCPUs) of them usable)") + ", \(kernel), \(date)"
  }
}
