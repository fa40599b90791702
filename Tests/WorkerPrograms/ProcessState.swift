import Glibc

/// What `/proc` says of this process, and what its programs see.
package func openDescriptors() -> [Int] {
  var numbers: [Int] = []
  for number in 0..<Int(sysconf(CInt(_SC_OPEN_MAX))) where fcntl(CInt(number), F_GETFD) != -1 { numbers.append(number) }
  return numbers
}

/// The lines of a file of `/proc`.
package func lines(of path: String) -> [String] {
  guard let file = fopen(path, "r") else { return [] }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 512)
  var lines: [String] = []
  while fgets(&line, CInt(line.count), file) != nil {
    lines.append(String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
  }
  return lines
}

/// What is in a folder, but for hidden entries.
package func names(in folder: String) -> [String] {
  guard let directory = opendir(folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names
}

/// The blocked, ignored and caught signals, as bits. Those above 31 are glibc's affair.
func signalState() -> String {
  var state: [String] = []
  for text in lines(of: "/proc/self/status") {
    if text.hasPrefix("SigBlk") || text.hasPrefix("SigIgn") || text.hasPrefix("SigCgt") {
      let words = text.split(whereSeparator: \.isWhitespace)
      let bits = words.last.flatMap { UInt64($0, radix: 16) } ?? 0
      state.append("\(words[0]) \(bits & 0x7FFF_FFFF)")
    }
  }
  return state.joined(separator: ", ")
}

/// What a program prints, started with `popen`.
package func run(_ program: String) -> String {
  guard let pipe = popen(program, "r") else { return "" }
  defer { pclose(pipe) }
  var bytes: [UInt8] = []
  while case let byte = fgetc(pipe), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
  return String(decoding: bytes, as: UTF8.self)
}
