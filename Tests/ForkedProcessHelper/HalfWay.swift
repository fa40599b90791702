import Glibc
import Interprocess
import SystemPackage

/// Tries each initializer that makes several system calls, and says what is left of those that failed. Run under
/// strace, which makes one of the calls fail.
func initializersThatFailHalfWay() throws {
  let directory = try TemporaryDirectory()
  let name = "/interprocess-half-way-\(getpid())"
  guard let key = SystemVKey(rawValue: 0x7069_0000 | (getpid() & 0xFFFF)) else { return }
  let (file, socket) = (directory.path.appending("file"), directory.path.appending("socket"))
  let before = openDescriptors()

  attempt("POSIXMessageQueue") { _ = try POSIXMessageQueue(creating: name) }
  attempt("POSIXSharedMemory") { _ = try POSIXSharedMemory(creating: name, byteCount: 100) }
  attempt("SystemVSharedMemory") { _ = try SystemVSharedMemory(creating: key, byteCount: 100) }
  attempt("SystemVSemaphoreSet") { _ = try SystemVSemaphoreSet(creating: key, values: [1]) }
  attempt("AnonymousMemory") { _ = try AnonymousMemory(byteCount: 100) }
  attempt("MappedFile") { _ = try MappedFile(creating: file, byteCount: 100) }
  attempt("UnixListener") { _ = try UnixListener(at: .path(socket)) }

  // What was made after all is not left behind either; what failed has to be gone by now.
  left("descriptor", openDescriptors() != before) {}
  left("queue", (try? POSIXMessageQueue(opening: name)) != nil) { try POSIXMessageQueue.unlink(name) }
  left("memory", (try? POSIXSharedMemory(opening: name)) != nil) { try POSIXSharedMemory.unlink(name) }
  left("segment", (try? SystemVSharedMemory(opening: key)) != nil) { try SystemVSharedMemory(opening: key).remove() }
  left("set", (try? SystemVSemaphoreSet(opening: key)) != nil) { try SystemVSemaphoreSet(opening: key).remove() }
  left("file", access(file.string, F_OK) == 0) {}
  left("socket", access(socket.string, F_OK) == 0) {}
}

private func attempt(_ label: String, _ make: () throws -> Void) {
  do { try make() } catch { say("failed \(label): \(error)") }
}

private func left(_ label: String, _ isThere: Bool, remove: () throws -> Void) {
  if !isThere { return }
  say("left \(label)")
  try? remove()
}

private func openDescriptors() -> [CInt] {
  (0..<256).filter { fcntl($0, F_GETFD) != -1 }
}
