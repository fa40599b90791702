public import Glibc

/// A program run to its end, as a user runs it.
public struct Command: Sendable {
  /// Its exit code, or 128 and the signal that ended it, as a shell has it.
  public let exitCode: CInt
  public let output: String
  public let errors: String

  public var lines: [String] { output.split(separator: "\n").map(String.init) }

  /// Beyond those that a process of tests has, so that none is overwritten.
  public static let firstPassedDescriptor: CInt = 1000

  /// Runs a program, with no signal blocked and nothing to read, and kills it when it takes too long.
  ///
  /// - Parameters:
  ///   - descriptors: what it inherits; it has them as ``firstPassedDescriptor`` and so on.
  ///   - whileRunning: called with its process id once it runs.
  public static func run(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
    passing descriptors: [CInt] = [], timeout: Duration = .seconds(60), whileRunning: (pid_t) throws -> Void = { _ in }
  ) throws -> Command {
    // Files and not pipes: a grandchild that outlives the program cannot keep them from ending.
    let (output, errors) = (try Capture(), try Capture())
    let id = try spawn(program, arguments, environment, descriptors, output, errors)
    let deadline = ContinuousClock.now + timeout
    do {
      try whileRunning(id)
    } catch {
      end(id)
      throw error
    }
    var status: CInt = 0
    while waitpid(id, &status, WNOHANG) == 0 {
      if ContinuousClock.now > deadline {
        end(id)
        throw Failure("\(program) \(arguments) took longer than \(timeout): \(output.text) \(errors.text)")
      }
      usleep(1000)
    }
    let signal = status & 0x7F
    return Command(
      exitCode: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: output.text, errors: errors.text)
  }

  /// Starts a program, which the caller waits for; nobody reads what it prints.
  public static func start(_ program: String, _ arguments: [String] = []) throws -> pid_t {
    try spawn(program, arguments, [:], [], try Capture(), try Capture())
  }

  private static func end(_ id: pid_t) {
    kill(id, SIGKILL)
    var status: CInt = 0
    waitpid(id, &status, 0)
  }

  private static func spawn(
    _ program: String, _ arguments: [String], _ environment: [String: String], _ descriptors: [CInt],
    _ output: Capture, _ errors: Capture
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, STDERR_FILENO)
    for (index, descriptor) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, firstPassedDescriptor + CInt(index))
    }
    // The threads that run tests have signals blocked, which a child would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

    let inherited = inheritedEnvironment.filter { entry in !environment.keys.contains { entry.hasPrefix($0 + "=") } }
    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    var envp = (inherited + environment.map { "\($0)=\($1)" }).map { strdup($0) } + [nil]
    defer { for text in argv + envp { free(text) } }
    var id: pid_t = 0
    let result = posix_spawn(&id, program, &actions, &attributes, &argv, &envp)
    guard result == 0 else { throw Failure("posix_spawn(\(program)): \(String(cString: strerror(result)))") }
    return id
  }

  private static var inheritedEnvironment: [String] {
    var entries: [String] = []
    var entry = environ
    while let text = entry.pointee {
      entries.append(String(cString: text))
      entry += 1
    }
    return entries
  }

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
  }
}

/// A nameless file that catches what a program prints.
private final class Capture {
  let descriptor: CInt

  init() throws {
    var path = Array("/tmp/capture-XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(path)
    if descriptor == -1 { throw Command.Failure("no temporary file: \(String(cString: strerror(errno)))") }
  }

  deinit { close(descriptor) }

  var text: String {
    let size = lseek(descriptor, 0, SEEK_END)
    let bytes = [UInt8](unsafeUninitializedCapacity: max(0, size)) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
