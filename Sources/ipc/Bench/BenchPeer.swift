import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// What others use for messages between processes. Small programs in Benchmarks/Peers speak it; those in C and C++ are
/// compiled where their library is installed.
enum BenchPeer: String, CaseIterable {
  case zeroMQ = "zeromq"
  case nng
  case boost = "boost-message-queue"
  case python = "python-pipe"

  private var source: String {
    switch self {
    case .zeroMQ: "zeromq.c"
    case .nng: "nng.c"
    case .boost: "boost_message_queue.cpp"
    case .python: "python_pipe.py"
    }
  }

  private var compiler: (program: String, options: [String])? {
    switch self {
    case .zeroMQ: ("cc", ["-O2", "-lzmq"])
    case .nng: ("cc", ["-O2", "-lnng"])
    case .boost: ("c++", ["-O2", "-lrt", "-pthread"])
    case .python: nil
    }
  }

  /// Debian's package that brings it.
  private var package: String {
    switch self {
    case .zeroMQ: "libzmq3-dev"
    case .nng: "libnng-dev"
    case .boost: "libboost-dev"
    case .python: "python3"
    }
  }

  /// Compiles the program, unless it is a script.
  ///
  /// - Throws: why it cannot be had here.
  func prepare() throws -> BenchPeerProgram {
    guard let folder = Self.folder else {
      throw JobFailure("its program is in Benchmarks/Peers; run this within a clone of swift-interprocess")
    }
    let path = "\(folder)/\(source)"
    guard let compiler else { return BenchPeerProgram(peer: self, command: ["python3", path], directory: nil) }
    let directory = KeptDirectory(try TemporaryDirectory())
    let program = directory.path.appending("peer").string
    let command = [compiler.program, path, "-o", program] + compiler.options
    guard try BenchPeerProgram.run(command, errorsAreShown: false, waiting: {}) != nil else {
      throw JobFailure("it does not compile; apt-get install \(package)")
    }
    return BenchPeerProgram(peer: self, command: [program], directory: directory)
  }

  /// Benchmarks/Peers, above the tool or the current directory.
  private static var folder: String? {
    for start in [linkTarget("/proc/self/exe"), linkTarget("/proc/self/cwd")] {
      var path = FilePath(start)
      repeat {
        let folder = path.appending("Benchmarks/Peers").string
        if access("\(folder)/peer.h", R_OK) == 0 { return folder }
      } while path.removeLastComponent()
    }
    return nil
  }

  private static func linkTarget(_ path: String) -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink(path, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// A directory that several have a hold of.
final class KeptDirectory {
  private let directory: TemporaryDirectory
  var path: FilePath { directory.path }

  init(_ directory: consuming TemporaryDirectory) { self.directory = directory }
}

/// A peer's program, ready to run.
struct BenchPeerProgram {
  let peer: BenchPeer
  let command: [String]
  let directory: KeptDirectory?

  /// Measures one thing: the program forks, measures by itself, and prints numbers in the order of
  /// ``BenchResult/numbers``.
  func measure(_ cell: BenchCell, _ effort: BenchEffort, waiting: () -> Void) throws -> BenchResult {
    let seconds = Double(effort.slices) * effort.slice * 1e-9
    let arguments = [cell.measure.rawValue, String(cell.bytes), cell.pinning.rawValue, String(seconds)]
    let words = try Self.run(command + arguments, errorsAreShown: true, waiting: waiting)?
      .split { $0 == " " || $0.isNewline }.map { Double($0) ?? .nan }
    guard let words, let result = BenchResult(name: peer.rawValue, cell, numbers: words) else {
      throw JobFailure("its program failed at \(BenchTable.what(cell)), \(cell.pinning.rawValue)")
    }
    return result
  }

  /// Runs a program to its end.
  ///
  /// - Returns: what it printed; `nil` when it failed.
  static func run(_ command: [String], errorsAreShown: Bool, waiting: () -> Void) throws -> String? {
    var output = try Pipe()
    // Its number alone: in a closure that never returns, the pipe itself would end, and be closed, after its last use.
    let writer = output.writer.fileDescriptor.rawValue
    var child = try ForkedProcess {
      Interruption.stopCatching()
      dup2(writer, STDOUT_FILENO)
      if !errorsAreShown {
        let nowhere = Glibc.open("/dev/null", O_WRONLY)
        dup2(nowhere, STDERR_FILENO)
      }
      let words = command.map { strdup($0) } + [nil]
      execvp(command[0], words)
      ForkedProcess.exit(127)
    }
    try output.writer.close()
    var bytes: [UInt8] = []
    let deadline = ContinuousClock.now + .seconds(60)
    while let piece = try piece(of: output.reader, by: deadline, from: command[0], waiting: waiting) { bytes += piece }
    return try child.wait().isSuccess ? String(decoding: bytes, as: UTF8.self) : nil
  }

  /// - Returns: the next of what a program prints; `nil` at its end.
  private static func piece(
    of reader: borrowing Pipe.Reader, by deadline: ContinuousClock.Instant, from program: String, waiting: () -> Void
  ) throws -> [UInt8]? {
    while true {
      try Interruption.check()
      guard ContinuousClock.now < deadline else { throw JobFailure("\(program) takes longer than a minute") }
      do {
        let piece = try reader.read(upTo: 4096, timeout: .milliseconds(50))
        return piece.isEmpty ? nil : piece
      } catch {
        if !error.isTimeout { throw error }
        waiting()
      }
    }
  }
}
