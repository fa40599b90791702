import CInterprocess
import Glibc
import SystemPackage

/// Where the bytes of a stream go in.
protocol ByteSink: ~Copyable, Sendable {
  /// Writes once, a part or all, with descriptors beside the first byte. EAGAIN says that there is no room; it does not
  /// say so when it may block. EPIPE says that the other side has gone, ESRCH that it has died.
  mutating func write(_ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool) -> Result<
    Int, Errno
  >
  func waitForRoom(by deadline: Deadline) throws(InterprocessError) -> Bool
  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws
  mutating func close(whileReceiving isReceiving: Bool)
}

/// Where the bytes of a stream come out.
protocol ByteSource: ~Copyable, Sendable {
  /// Reads once; 0 is the end. EAGAIN says that nothing is there; it does not say so when it may block.
  mutating func read(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno>
  /// Whether reading would give bytes at once, as far as is known.
  var hasBytes: Bool { get }
  func waitForBytes(by deadline: Deadline) throws(InterprocessError) -> Bool
  nonisolated(nonsending) func waitForBytes(by deadline: Deadline) async throws
  mutating func close()
}

/// A pipe, a FIFO or a socket that bytes go into.
struct DescriptorSink<Calls: StreamCalls>: ~Copyable, ByteSink {
  var descriptor: OwnedDescriptor

  func write(_ bytes: UnsafeRawBufferPointer, passing descriptors: [CInt], mayBlock: Bool) -> Result<Int, Errno> {
    if descriptors.isEmpty { return valueOrErrno { Calls.write(descriptor.rawValue, bytes, waiting: mayBlock) } }
    let flags = mayBlock ? 0 : CInt(MSG_DONTWAIT)
    return valueOrErrno {
      ci_send_message(
        descriptor.rawValue, bytes.baseAddress, bytes.count, nil, 0, descriptors, CInt(descriptors.count), flags)
    }
  }

  func waitForRoom(by deadline: Deadline) throws(InterprocessError) -> Bool {
    try descriptor.wait(until: .writable, by: deadline)
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    try await descriptor.suspend(until: .writable, by: deadline)
  }

  mutating func close(whileReceiving isReceiving: Bool) {
    // The socket has a second descriptor, for reading: closing this one would not tell the other side.
    if isReceiving, !descriptor.isClosed { shutdown(descriptor.rawValue, CInt(SHUT_WR)) }
    try? descriptor.close()
  }
}

/// A pipe, a FIFO or a socket that bytes come out of.
struct DescriptorSource<Calls: StreamCalls>: ~Copyable, ByteSource {
  var descriptor: OwnedDescriptor

  func read(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno> {
    // Descriptors are expected of those only who may send some; the kernel closes what a plain read does not take.
    guard received.limit > 0 else {
      return valueOrErrno { Calls.read(descriptor.rawValue, buffer, waiting: mayBlock) }
    }
    return descriptor.receiveBytes(into: buffer, receiving: &received, mayBlock: mayBlock)
  }

  var hasBytes: Bool {
    var count: CInt = 0
    return ci_bytes_waiting(descriptor.rawValue, &count) == -1 || count > 0
  }

  func waitForBytes(by deadline: Deadline) throws(InterprocessError) -> Bool {
    try descriptor.wait(until: .readable, by: deadline)
  }

  nonisolated(nonsending) func waitForBytes(by deadline: Deadline) async throws {
    try await descriptor.suspend(until: .readable, by: deadline)
  }

  mutating func close() { try? descriptor.close() }
}

extension OwnedDescriptor {
  /// Suspends until a channel's descriptor is ready.
  nonisolated(nonsending) func suspend(until readiness: Readiness, by deadline: Deadline) async throws {
    try await becomeReady(fileDescriptor, readiness, by: deadline, for: "epoll_wait")
  }

  /// Reads a stream socket once, with the descriptors that came. Some may be lost where this process can have no more.
  fileprivate func receiveBytes(
    into buffer: UnsafeMutableRawBufferPointer, receiving received: inout ReceivedDescriptors, mayBlock: Bool
  ) -> Result<Int, Errno> {
    withUnsafeTemporaryAllocation(of: CInt.self, capacity: ReceivedDescriptors.mostPerMessage) { numbers in
      var count: CInt = 0
      var sender = sockaddr_un()
      var length: socklen_t = 0
      let result = valueOrErrno {
        var flags = mayBlock ? 0 : CInt(MSG_DONTWAIT)
        return ci_receive_message(
          rawValue, buffer.baseAddress, buffer.count, &sender, &length, numbers.baseAddress, &count, &flags)
      }
      received.adopt(numbers.prefix(Int(count)))
      return result
    }
  }
}
