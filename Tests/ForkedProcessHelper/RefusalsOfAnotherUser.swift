import Glibc
import Interprocess
import SystemPackage

/// Root makes one of each kind, and another user tries to use it.
func refusalsOfAnotherUser() throws {
  let directory = try TemporaryDirectory()
  chmod(directory.path.string, 0o755)
  try refusalsOfPOSIXObjects()
  try refusalsOfSystemVObjects()
  try refusalsOfFiles(in: directory.path)
  try refusalsOfSockets(in: directory.path)
  try asNobody {
    let parent = try ProcessHandle(of: getppid())
    provoke("ProcessHandle.signal") { try parent.signal(0) }
  }
}

private func refusalsOfPOSIXObjects() throws {
  let queue = try POSIXMessageQueue(creating: ownName)
  let semaphore = try POSIXSemaphore(creating: ownName, value: 1)
  let memory = try POSIXSharedMemory(creating: ownName, byteCount: 1)
  defer {
    try? POSIXMessageQueue.unlink(ownName)
    try? POSIXSemaphore.unlink(ownName)
    try? POSIXSharedMemory.unlink(ownName)
  }
  try asNobody {
    provoke("POSIXMessageQueue(opening:)") { _ = try POSIXMessageQueue(opening: ownName) }
    provoke("POSIXMessageQueue.unlink") { try POSIXMessageQueue.unlink(ownName) }
    provoke("POSIXSemaphore(opening:)") { _ = try POSIXSemaphore(opening: ownName) }
    provoke("POSIXSemaphore.unlink") { try POSIXSemaphore.unlink(ownName) }
    provoke("POSIXSharedMemory(opening:)") { _ = try POSIXSharedMemory(opening: ownName) }
    provoke("POSIXSharedMemory(creatingIfAbsent:)") {
      _ = try POSIXSharedMemory(creatingIfAbsent: ownName, byteCount: 1)
    }
    provoke("POSIXSharedMemory.unlink") { try POSIXSharedMemory.unlink(ownName) }
  }
  _ = (queue.name, semaphore.name, memory.name)
}

/// Who may only read an object of System V's may still ask for its status.
private func refusalsOfSystemVObjects() throws {
  let readable: FilePermissions = [.ownerReadWrite, .groupRead, .otherRead]
  let (secretKey, readableKey) = (try ownKey(1), try ownKey(2))
  let secretQueue = try SystemVMessageQueue(creating: secretKey)
  let queue = try SystemVMessageQueue(creating: readableKey, permissions: readable)
  defer { for id in [secretQueue.id, queue.id] { try? SystemVMessageQueue.remove(id: id) } }
  let secretSet = try SystemVSemaphoreSet(creating: secretKey, values: [1])
  let set = try SystemVSemaphoreSet(creating: readableKey, values: [1], permissions: readable)
  defer { for id in [secretSet.id, set.id] { try? SystemVSemaphoreSet.remove(id: id) } }
  let secretSegment = try SystemVSharedMemory(creating: secretKey, byteCount: 1)
  let segment = try SystemVSharedMemory(creating: readableKey, byteCount: 1, permissions: readable)
  defer { for id in [secretSegment.id, segment.id] { try? SystemVSharedMemory.remove(id: id) } }

  try asNobody {
    provoke("SystemVMessageQueue(opening:)") { _ = try SystemVMessageQueue(opening: secretKey) }
    provoke("SystemVMessageQueue.send") { try secretQueue.send([1], type: 1) }
    provoke("SystemVMessageQueue.receive") { _ = try secretQueue.receive() }
    provoke("SystemVMessageQueue.status") { _ = try secretQueue.status() }
    provoke("SystemVMessageQueue.setPermissions") { try queue.setPermissions(try queue.status().permissions) }
    provoke("SystemVMessageQueue.remove") { try secretQueue.remove() }

    provoke("SystemVSemaphoreSet(opening:)") { _ = try SystemVSemaphoreSet(opening: secretKey) }
    provoke("SystemVSemaphoreSet.acquire") { try SystemVSemaphoreSet(opening: readableKey).acquire() }
    provoke("SystemVSemaphoreSet.setValue") { try set.setValue(2) }
    provoke("SystemVSemaphoreSet.setPermissions") { try set.setPermissions(try set.status().permissions) }
    provoke("SystemVSemaphoreSet.remove") { try set.remove() }

    provoke("SystemVSharedMemory(opening:)") { _ = try SystemVSharedMemory(opening: secretKey) }
    provoke("SystemVSharedMemory(opening:), for writing") { _ = try SystemVSharedMemory(opening: readableKey) }
    provoke("SystemVSharedMemory.status") { _ = try secretSegment.status() }
    provoke("SystemVSharedMemory.setPermissions") { try segment.setPermissions(try segment.status().permissions) }
    provoke("SystemVSharedMemory.lockInRAM") { try segment.lockInRAM() }
    provoke("SystemVSharedMemory.remove") { try segment.remove() }
  }
}

private func refusalsOfFiles(in directory: FilePath) throws {
  let (file, pipe, fresh) = (directory.appending("file"), directory.appending("pipe"), directory.appending("fresh"))
  _ = try MappedFile(creating: file, byteCount: 1)
  try NamedPipe.create(at: pipe)
  let closed = try TemporaryDirectory()
  let hidden = closed.path.appending("hidden")
  _ = try MappedFile(creating: hidden, byteCount: 1)
  try asNobody {
    provoke("MappedFile(opening:)") { _ = try MappedFile(opening: file) }
    provoke("MappedFile(creatingIfAbsent:)") { _ = try MappedFile(creatingIfAbsent: fresh, byteCount: 1) }
    provoke("FileLock(opening:)") { _ = try FileLock(opening: file) }
    provoke("FileLock(creatingIfAbsent:)") { _ = try FileLock(creatingIfAbsent: fresh) }
    provoke("NamedPipe.create") { try NamedPipe.create(at: fresh) }
    provoke("NamedPipe.Reader(opening:)") { _ = try NamedPipe.Reader(opening: pipe) }
    provoke("NamedPipe.Writer(opening:)") { _ = try NamedPipe.Writer(opening: pipe) }
    provoke("SystemVKey(file:project:)") { _ = try SystemVKey(file: hidden, project: 1) }
    setenv("TMPDIR", directory.string, 1)
    provoke("TemporaryFile") { _ = try TemporaryFile() }
    provoke("TemporaryDirectory") { _ = try TemporaryDirectory() }
    unsetenv("TMPDIR")
  }
}

private func refusalsOfSockets(in directory: FilePath) throws {
  let (alive, dead, fresh) = (directory.appending("alive"), directory.appending("dead"), directory.appending("fresh"))
  let listener = try UnixListener(at: .path(alive))
  do { _ = try UnixListener(at: .path(dead)) }
  try asNobody {
    provoke("UnixSocket(connectingTo:)") { _ = try UnixSocket(connectingTo: .path(alive)) }
    provoke("MessageSocket(connectingTo:)") {
      _ = try MessageSocket(connectingTo: .path(alive), kind: .sequencedPacket)
    }
    provoke("UnixListener(at:)") { _ = try UnixListener(at: .path(fresh)) }
    provoke("UnixListener(at:replacingDeadServer:)") {
      _ = try UnixListener(at: .path(dead), replacingDeadServer: true)
    }
    provoke("MessageSocket(boundTo:)") { _ = try MessageSocket(boundTo: .path(fresh)) }
  }
  _ = listener.descriptor.rawValue
}
