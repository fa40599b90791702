import Glibc

struct Footprint {
  let descriptors: Int
  let threads: Int
  let virtualBytes: Int
  let residentPages: Int

  init() {
    descriptors = (0..<4096).count { fcntl(CInt($0), F_GETFD) != -1 }
    let status = processStatus(of: "self")
    threads = status.count > 23 ? Int(status[19]) ?? 0 : 0
    virtualBytes = status.count > 23 ? Int(status[22]) ?? 0 : 0
    residentPages = status.count > 23 ? Int(status[23]) ?? 0 : 0
  }
}

/// The fields of `/proc/PID/stat`; the command's name has no spaces here.
func processStatus(of id: String) -> [Substring] { contents(of: "/proc/\(id)/stat").split(separator: " ") }

private func contents(of path: String) -> String {
  guard let file = fopen(path, "r") else { return "" }
  defer { fclose(file) }
  var buffer = [CChar](repeating: 0, count: 4096)
  guard fgets(&buffer, CInt(buffer.count), file) != nil else { return "" }
  return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Leaves this process so many bytes of addresses beside those it has.
func limitAddresses(to more: Int) {
  var limit = rlimit()
  let inUse = Footprint().virtualBytes
  getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  limit.rlim_cur = UInt(inUse + more)
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
}
