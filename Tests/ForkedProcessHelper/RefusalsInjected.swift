import Glibc
import Interprocess
import SystemPackage

/// Run under strace, which makes one of the calls fail that the kernel cannot be made to fail otherwise.
func refusalsInjected() throws {
  let directory = try TemporaryDirectory()
  let path = directory.path.appending("file")
  // Not made by what is to fail.
  let base = try TemporaryFile()
  try base.write([1])
  let file = try MappedFile(opening: base.path)

  provoke("Pipe") { _ = try Pipe() }
  provoke("EventCounter") { _ = try EventCounter() }
  provoke("SocketPair") { _ = try SocketPair() }
  provoke("MappedFile(creating:)") { _ = try MappedFile(creating: path, byteCount: 100) }
  unlink(path.string)
  provoke("AnonymousMemory") { _ = try AnonymousMemory(byteCount: 100) }
  provoke("Mapping.sync") { try file.mapping.sync() }
  provoke("Mapping.advise") { try file.mapping.advise(.hugePages) }
  let lock = try FileLock(opening: base.path)
  provoke("FileLock.acquire") { _ = try lock.acquire() }
  provoke("FileLock.tryAcquire") { _ = try lock.tryAcquire() }
  provoke("FileLock.conflict") { _ = try lock.conflict() }
  provoke("SocketPair.peerProcess") { _ = try SocketPair().first.peerProcess() }
  provoke("ForkedProcess") {
    var child = try ForkedProcess {}
    _ = try child.wait()
  }
  // A directory that somebody holds locked is waited for, five seconds.
  provoke("UnixListener(at:replacingDeadServer:)") {
    _ = try UnixListener(at: .path(directory.path.appending("socket")), replacingDeadServer: true)
  }
}
