import Glibc
import Interprocess
import SystemPackage

/// What an ordinary user may not do, or only so much of: root is asked to run it, and becomes one.
func refusalsOfUserLimits() throws {
  let memory = try AnonymousMemory(byteCount: 1 << 20)
  try asNobody {
    let pipe = try Pipe()
    provoke("Pipe.setCapacity") { try pipe.writer.setCapacity(1 << 30) }
    provoke("Mapping.lockInRAM, some") {
      try limiting(Limit.lockedMemory, to: 4096) { try memory.mapping.lockInRAM() }
    }
    provoke("Mapping.lockInRAM, none") { try limiting(Limit.lockedMemory, to: 0) { try memory.mapping.lockInRAM() } }
    let segment = try SystemVSharedMemory(byteCount: 1 << 20)
    defer { try? segment.remove() }
    provoke("SystemVSharedMemory.lockInRAM, some") {
      try limiting(Limit.lockedMemory, to: 4096) { try segment.lockInRAM() }
    }
    provoke("SystemVSharedMemory.lockInRAM, none") {
      try limiting(Limit.lockedMemory, to: 0) { try segment.lockInRAM() }
    }
    provoke("SystemVSharedMemory(hugePages:)") {
      let huge = try SystemVSharedMemory(byteCount: 2 << 20, hugePages: .standard)
      try huge.remove()
    }
    let queue = try SystemVMessageQueue()
    defer { try? queue.remove() }
    provoke("SystemVMessageQueue.setMaximumBytes") { try queue.setMaximumBytes(1 << 30) }
    provoke("ForkedProcess") {
      try limiting(Limit.processes, to: 0) {
        var child = try ForkedProcess {}
        _ = try child.wait()
      }
    }
    try limiting(Limit.openFiles, to: 64) { try tooManyDescriptorsOnTheirWay() }
  }
}

private func tooManyDescriptorsOnTheirWay() throws {
  let pair = try MessageSocket.pair(.datagram)
  let many = Array(repeating: pair.first.descriptor.fileDescriptor, count: 253)
  provoke("MessageSocket.send(passing:)") {
    for _ in 0..<3 { _ = try pair.first.trySend([1], passing: many) }
  }
}

/// What a process may have only so much of, whoever runs it.
func refusalsOfProcessLimits() throws {
  let directory = try TemporaryDirectory()
  provoke("POSIXMessageQueue(creating:), RLIMIT_MSGQUEUE") {
    try limiting(Limit.messageQueueBytes, to: 1000) { _ = try POSIXMessageQueue(creating: ownName) }
  }
  signal(SIGXFSZ, SIG_IGN)
  provoke("MappedFile(creating:), RLIMIT_FSIZE") {
    try limiting(Limit.fileSize, to: 4096) {
      _ = try MappedFile(creating: directory.path.appending("large"), byteCount: 1 << 20)
    }
  }
  try refusalsWithoutDescriptors(in: directory.path)
}

/// A file that does not fit among the addresses that a process may have.
func refusalOfAddresses() throws {
  let directory = try TemporaryDirectory()
  let sparse = directory.path.appending("sparse")
  _ = try MappedFile(creating: sparse, byteCount: 1)
  truncate(sparse.string, 1 << 42)
  provoke("MappedFile(opening:), RLIMIT_AS") {
    try limiting(Limit.addresses, to: 1 << 41) { _ = try MappedFile(opening: sparse, readOnly: true) }
  }
}

/// Everything that needs a descriptor, in a process that may have no more.
private func refusalsWithoutDescriptors(in directory: FilePath) throws {
  let (file, address) = (directory.appending("file"), UnixSocketAddress.path(directory.appending("socket")))
  let listener = try UnixListener(at: address)
  let client = try UnixSocket(connectingTo: address)
  let packets = try MessageSocket.pair(.sequencedPacket)
  try client.write([1, 2], passing: [client.fileDescriptor])
  let streams = try SocketPair()
  try streams.first.write([1], passing: [client.fileDescriptor, client.fileDescriptor])
  try packets.first.send([1], passing: [client.fileDescriptor])
  _ = try MappedFile(creating: file, byteCount: 1)

  limiting(Limit.openFiles, to: 3) {
    provoke("Pipe") { _ = try Pipe() }
    provoke("NamedPipe.Reader(opening:)") { _ = try NamedPipe.Reader(opening: file) }
    provoke("SocketPair") { _ = try SocketPair() }
    provoke("UnixListener(at:)") { _ = try UnixListener(at: .abstract(ownName)) }
    provoke("UnixListener.accept") { _ = try listener.accept(timeout: .seconds(1)) }
    provoke("UnixSocket(connectingTo:)") { _ = try UnixSocket(connectingTo: address) }
    provoke("UnixSocket.read(receiving:)") {
      var received = ReceivedDescriptors()
      _ = try streams.second.read(upTo: 1, receiving: &received)
    }
    provoke("MessageSocket.receive(receiving:)") {
      var received = ReceivedDescriptors()
      _ = try packets.second.receive(upTo: 1, receiving: &received)
    }
    provoke("POSIXMessageQueue(creating:)") { _ = try POSIXMessageQueue(creating: ownName) }
    provoke("POSIXSemaphore(creating:)") { _ = try POSIXSemaphore(creating: ownName, value: 0) }
    provoke("POSIXSharedMemory(creating:)") { _ = try POSIXSharedMemory(creating: ownName, byteCount: 1) }
    provoke("AnonymousMemory") { _ = try AnonymousMemory(byteCount: 1) }
    provoke("MappedFile(opening:)") { _ = try MappedFile(opening: file) }
    provoke("FileLock(opening:)") { _ = try FileLock(opening: file) }
    provoke("TemporaryFile") { _ = try TemporaryFile() }
    provoke("EventCounter") { _ = try EventCounter() }
    provoke("ProcessHandle") { _ = try ProcessHandle(of: getpid()) }
  }
}

/// Run in an IPC namespace whose kernel parameters allow one object of each kind.
func refusalsOfKernelLimits() throws {
  let queue = try SystemVMessageQueue()
  provoke("SystemVMessageQueue") { _ = try SystemVMessageQueue() }
  provoke("SystemVMessageQueue.send") { try queue.send([UInt8](repeating: 0, count: 101), type: 1) }
  try queue.remove()

  let set = try SystemVSemaphoreSet(values: [0])
  provoke("SystemVSemaphoreSet") { _ = try SystemVSemaphoreSet(values: [0]) }
  provoke("SystemVSemaphoreSet, large") { _ = try SystemVSemaphoreSet(values: [UInt16](repeating: 0, count: 21)) }
  provoke("SystemVSemaphoreSet.perform") {
    try set.perform(Array(repeating: SystemVSemaphoreSet.Operation(change: 1), count: 11))
  }
  try set.remove()

  let segment = try SystemVSharedMemory(byteCount: 1)
  provoke("SystemVSharedMemory") { _ = try SystemVSharedMemory(byteCount: 1) }
  provoke("SystemVSharedMemory, large") { _ = try SystemVSharedMemory(byteCount: 100_001) }
  try segment.remove()
  provoke("SystemVSharedMemory, pages") { _ = try SystemVSharedMemory(byteCount: 100_000) }

  try asNobody {
    provoke("POSIXMessageQueue") { _ = try POSIXMessageQueue(creating: ownName) }
  }
}

/// Run where `/dev/shm` has room for four pages.
func refusalsOfFullMemory() throws {
  provoke("POSIXSharedMemory(creating:)") { _ = try POSIXSharedMemory(creating: ownName, byteCount: 1 << 20) }
  provoke("POSIXSharedMemory(creatingIfAbsent:)") {
    _ = try POSIXSharedMemory(creatingIfAbsent: ownName, byteCount: 1 << 20)
  }
  provoke("MappedFile(creating:)") { _ = try MappedFile(creating: "/dev/shm/file", byteCount: 1 << 20) }
  var memory = try POSIXSharedMemory(creating: ownName, byteCount: 4 * Mapping.pageSize)
  provoke("POSIXSharedMemory.resize") { try memory.resize(to: 1 << 20) }
  let size = memory.mapping.byteCount
  say("size after resize|\(size == 4 * Mapping.pageSize ? 0 : -1)|")
  provoke("POSIXSemaphore(creating:)") { _ = try POSIXSemaphore(creating: ownName, value: 0) }
  setenv("TMPDIR", "/dev/shm", 1)
  provoke("TemporaryFile.write") { try TemporaryFile().write([1]) }
  try POSIXSharedMemory.unlink(ownName)
}

/// Run where huge pages are set aside.
func hugePages() throws {
  provoke("AnonymousMemory(hugePages:)") {
    let memory = try AnonymousMemory(byteCount: 100, hugePages: .standard)
    memory.mapping.withUnsafeBytes { $0.copyBytes(from: [1, 2, 3]) }
    let size = memory.mapping.byteCount
    say("AnonymousMemory has|\(size)|")
  }
  provoke("SystemVSharedMemory(hugePages:)") {
    let memory = try SystemVSharedMemory(byteCount: 2 << 20, hugePages: .standard)
    memory.mapping.withUnsafeBytes { $0.copyBytes(from: [1, 2, 3]) }
    try memory.remove()
    let size = memory.mapping.byteCount
    say("SystemVSharedMemory has|\(size)|")
  }
  provoke("AnonymousMemory(hugePages:), too much") {
    _ = try AnonymousMemory(byteCount: 1 << 36, hugePages: .standard)
  }
  provoke("SystemVSharedMemory(hugePages:), too much") {
    let memory = try SystemVSharedMemory(byteCount: 1 << 36, hugePages: .standard)
    try memory.remove()
  }
}
