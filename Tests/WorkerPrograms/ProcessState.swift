import Glibc

/// What `/proc` says of this process, and what its programs see.
package func openDescriptors() -> [Int] {
  var numbers: [Int] = []
  for number in 0..<Int(sysconf(CInt(_SC_OPEN_MAX))) where fcntl(CInt(number), F_GETFD) != -1 { numbers.append(number) }
  return numbers
}

/// The blocked, ignored and caught signals, as bits. Those above 31 are glibc's affair.
func signalState() -> String {
  guard let file = fopen("/proc/self/status", "r") else { return "" }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  var state: [String] = []
  while fgets(&line, CInt(line.count), file) != nil {
    let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress ?? UnsafePointer(strdup(""))) }
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
