import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Formats as `printf` does.
func formatted(_ format: String, _ arguments: any CVarArg...) -> String {
  withVaList(arguments) { list in
    var buffer = [CChar](repeating: 0, count: 512)
    let count = vsnprintf(&buffer, buffer.count, format, list)
    return String(
      decoding: buffer.prefix(max(0, min(Int(count), buffer.count - 1))).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// Prints a line and sends it on its way at once, to whoever reads along.
///
/// What standard output does not take, ``finishOutput()`` says at the end.
func printNow(_ line: String) {
  print(line)
  flush()
}

private func flush() {
  let failure: Errno? =
    fflush(nil) != 0 ? Errno(rawValue: errno) : ci_stdout_has_failed() ? .ioError : nil
  if let failure { outputFailure.withLock { $0 = $0 ?? failure } }
}

private let outputFailure = Mutex<Errno?>(nil)

/// Writes out what was printed.
///
/// Where nobody reads any more, by `| head` for instance, it ends the process as SIGPIPE does: they have what they wanted.
///
/// - Throws: why standard output does not take it, a full disk for instance: whoever reads it would miss the rest.
func finishOutput() throws(InterprocessError) {
  flush()
  guard let reason = outputFailure.withLock({ $0 }) else { return }
  if reason == .brokenPipe { exit(128 + SIGPIPE) }
  // A signal came while nobody read.
  if let signalled = Interruption.signalled { exit(signalled.exitCode) }
  throw InterprocessError(call: "write", object: "standard output", errno: reason)
}

/// Says on standard error what went wrong: one line.
func complain(_ message: String) {
  printToStandardError("ipc: \(message)\n")
}

func printToStandardError(_ text: String) {
  // What cannot be said there cannot be said anywhere.
  _ = try? FileDescriptor.standardError.writeAll(text.utf8)
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

  /// Three digits and a unit: `5.31 ms`.
  var readable: String {
    switch seconds {
    case ..<1e-3: formatted("%.0f us", seconds * 1e6)
    case ..<1: formatted("%.2f ms", seconds * 1e3)
    default: formatted("%.2f s", seconds)
    }
  }
}

extension Int {
  /// With a comma every three digits: `10,000,000`.
  var grouped: String {
    let digits = String(magnitude)
    let groups = stride(from: digits.count, to: 0, by: -3).map { end in
      digits.dropLast(digits.count - end).suffix(3)
    }
    return (self < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
  }
}
