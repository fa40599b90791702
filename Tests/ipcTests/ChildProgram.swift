import Glibc
import Interprocess
import SystemPackage
import Testing

/// A program that a test starts, and that does not outlive the test.
struct ChildProgram: ~Copyable {
  let id: pid_t
  private var hasEnded = false

  private static let patience = Duration.seconds(10)

  /// - Parameters:
  ///   - words: the program, found along PATH, and its arguments.
  ///   - descriptors: what it inherits as 0, 1, 2, 3 and so on; /dev/null in place of the first three if fewer.
  init(_ words: [String], descriptors: [CInt] = []) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for number in 0..<CInt(max(3, descriptors.count)) {
      if number < descriptors.count {
        posix_spawn_file_actions_adddup2(&actions, descriptors[Int(number)], number)
      } else {
        posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
      }
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    let reason = posix_spawnp(&child, words[0], &actions, nil, &arguments, environ)
    guard reason == 0 else { throw Errno(rawValue: reason) }
    id = child
  }

  deinit {
    if hasEnded { return }
    kill(id, SIGKILL)
    var status: CInt = 0
    waitpid(id, &status, 0)
  }

  /// - Returns: the exit code; 128 and the signal's number where one ended it.
  mutating func wait() throws -> CInt {
    var status: CInt = 0
    try Self.wait { waitpid(id, &status, WNOHANG) == id }
    hasEnded = true
    return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  }

  /// Waits until something holds, and fails the test when that takes too long.
  static func wait(_ sourceLocation: SourceLocation = #_sourceLocation, until condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + patience
    while try !condition() {
      try #require(ContinuousClock.now < deadline, "still waiting after \(patience)", sourceLocation: sourceLocation)
      usleep(5_000)
    }
  }
}

/// What a program printed, and how it ended.
struct Run {
  let exitCode: CInt
  let output: String
  let errors: String

  var lines: [Substring] { output.split(separator: "\n") }

  /// Runs a program to its end, without a terminal.
  init(_ words: [String]) throws {
    let output = try TemporaryFile(prefix: "ipc-test")
    let errors = try TemporaryFile(prefix: "ipc-test")
    let nothing = try FileDescriptor.open("/dev/null", .readOnly, options: .closeOnExec)
    let outputEnd = try FileDescriptor.open(output.path, .writeOnly, options: .closeOnExec)
    let errorEnd = try FileDescriptor.open(errors.path, .writeOnly, options: .closeOnExec)
    defer { for end in [nothing, outputEnd, errorEnd] { try? end.close() } }
    var program = try ChildProgram(
      words, descriptors: [nothing.rawValue, outputEnd.rawValue, errorEnd.rawValue])
    exitCode = try program.wait()
    self.output = String(decoding: try output.read(), as: UTF8.self)
    self.errors = String(decoding: try errors.read(), as: UTF8.self)
  }

  /// Runs the tool.
  static func ipc(_ arguments: String...) throws -> Run {
    try Run([ipcPath] + arguments)
  }

  static func python(_ script: String) throws -> Run {
    try Run(["python3", "-c", script])
  }

  /// The tool that was built beside the tests.
  static var ipcPath: String {
    get throws {
      var path = [CChar](repeating: 0, count: Int(PATH_MAX))
      let count = readlink("/proc/self/exe", &path, path.count)
      let tests = FilePath(String(decoding: path.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self))
      let beside = tests.removingLastComponent().appending("ipc").string
      try #require(access(beside, X_OK) == 0, "there is no \(beside)")
      return beside
    }
  }
}
