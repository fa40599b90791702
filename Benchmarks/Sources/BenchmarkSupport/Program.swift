import Glibc

/// Runs a program to its end.
///
/// - Returns: what it printed.
/// - Throws: ``Failure`` when it does not start, or does not exit with code 0.
package func outputOfProgram(_ arguments: [String]) throws -> String {
  var ends: [CInt] = [-1, -1]
  guard pipe(&ends) == 0 else { throw Failure("pipe: \(String(cString: strerror(errno)))") }
  defer { close(ends[0]) }
  let result = Result { try startProgram(arguments, outputTo: ends) }
  // Closed before the reading: the end comes when the program's copy is closed too.
  close(ends[1])
  let child = try result.get()
  let output = readToEnd(ends[0])
  var status: CInt = 0
  guard waitpid(child, &status, 0) == child, status == 0 else {
    throw Failure("\(arguments.joined(separator: " ")): failed, wait status \(status)")
  }
  return output
}

private func startProgram(_ arguments: [String], outputTo ends: [CInt]) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
  for end in ends { posix_spawn_file_actions_addclose(&actions, end) }

  // Threads of Swift's concurrency block every signal, and what they start would inherit that.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  sigemptyset(&none)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setflags(&attributes, CShort(POSIX_SPAWN_SETSIGMASK))

  var pointers = arguments.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  var child: pid_t = 0
  let reason = posix_spawnp(&child, arguments[0], &actions, &attributes, &pointers, environ)
  if reason != 0 { throw Failure("\(arguments[0]): \(String(cString: strerror(reason))); has it been built?") }
  return child
}

private func readToEnd(_ descriptor: CInt) -> String {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
    bytes += buffer[..<count]
  }
}
