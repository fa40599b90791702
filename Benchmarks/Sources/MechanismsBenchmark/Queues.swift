import CLoops
import Glibc
import Interprocess

final class POSIXQueueLoop: Mechanism {
  static let name = "POSIX queue"
  static let python: PythonPeer? = PythonPeer(module: "posix_ipc", kind: "queue", factor: 1.35)

  private let queue: POSIXMessageQueue

  init() throws {
    let name = "/mechanisms-benchmark-\(getpid())"
    queue = try POSIXMessageQueue(creating: name, maximumMessageSize: Message.byteCount)
    // Nobody else needs its name, and so it cannot stay behind.
    try POSIXMessageQueue.unlink(name)
  }

  func runSwift(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      try queue.send(message)
      try queue.receive(into: &buffer)
    }
  }

  func runTrying(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      _ = try queue.trySend(message)
      _ = try queue.tryReceive(into: &buffer)
    }
  }

  func runSuspending(_ count: Int) async throws {
    try await Message.times(count) { message, buffer in
      try await queue.send(message)
      _ = try await queue.receive(into: &buffer)
    }
  }

  var peers: [CPeer] {
    [CPeer { c_posix_message_queue(self.queue.descriptor.rawValue, Message.message, Message.buffer, $0) }]
  }
}

final class SystemVQueueLoop: Mechanism {
  static let name = "System V queue"
  static let python: PythonPeer? = PythonPeer(module: "sysv_ipc", kind: "queue", factor: 1.35)

  private let queue: SystemVMessageQueue

  init() throws { queue = try SystemVMessageQueue() }

  deinit { try? queue.remove() }

  func runSwift(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      try queue.send(message, type: 1)
      try queue.receive(into: &buffer)
    }
  }

  func runTrying(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      _ = try queue.trySend(message, type: 1)
      _ = try queue.tryReceive(into: &buffer)
    }
  }

  func runSuspending(_ count: Int) async throws {
    try await Message.times(count) { message, buffer in
      try await queue.send(message, type: 1)
      try await queue.receive(into: &buffer)
    }
  }

  var peers: [CPeer] {
    [CPeer { c_system_v_message_queue(self.queue.id, $0) }]
  }
}
