import CInterprocess
import CWorkers
import Glibc
import Interprocess
import SystemPackage

/// The socket between a parent and its fork server: messages with descriptors. A message that is too long for a packet
/// travels in a memfd.
///
/// It keeps just the number, for the fork server to hand to a worker it forks; whoever makes it owns the descriptor.
struct ControlSocket {
  let number: CInt

  /// What a message may carry beside what it carries for itself.
  static let mostDescriptors = Int(ci_most_descriptors) - 8
  private static let longestPacket = 32 * 1024

  struct Message {
    var bytes: [UInt8]
    /// Owned by whoever received them.
    var descriptors: [CInt]
    /// There were more, which this process may not have: RLIMIT_NOFILE.
    var lostDescriptors: Bool
  }

  enum Arrival {
    case message(Message)
    case nothing
    case end
  }

  /// Sends, if there is room.
  ///
  /// - Returns: whether it was sent.
  func trySend(_ bytes: [UInt8], _ descriptors: [CInt] = []) throws(InterprocessError) -> Bool {
    if bytes.count <= Self.longestPacket { return try sendPacket([0] + bytes, descriptors) }
    let memory = try Self.memory(holding: bytes)
    return try sendPacket([1], [memory.rawValue] + descriptors)
  }

  private func sendPacket(_ bytes: [UInt8], _ descriptors: [CInt]) throws(InterprocessError) -> Bool {
    let result = valueOrErrno {
      ci_send_message(number, bytes, bytes.count, nil, 0, descriptors, CInt(descriptors.count), CInt(MSG_DONTWAIT))
    }
    switch result {
    case .success: return true
    case .failure(.wouldBlock): return false
    case .failure(let reason):
      throw InterprocessError(call: "sendmsg", object: "control socket \(number)", errno: reason)
    }
  }

  /// Receives, if something is there.
  func tryReceive() throws(InterprocessError) -> Arrival {
    var count: CInt = 0
    var flags = CInt(MSG_DONTWAIT)
    var descriptors = [CInt](repeating: -1, count: Int(ci_most_descriptors))
    var bytes = [UInt8](repeating: 0, count: Self.longestPacket + 1)
    let result = valueOrErrno {
      flags = CInt(MSG_DONTWAIT)
      return ci_receive_message(number, &bytes, bytes.count, nil, nil, &descriptors, &count, &flags)
    }
    switch result {
    case .failure(.wouldBlock): return .nothing
    case .failure(.connectionReset), .success(0): return .end
    case .failure(let reason):
      throw InterprocessError(call: "recvmsg", object: "control socket \(number)", errno: reason)
    case .success(let length):
      let lost = flags & CInt(MSG_CTRUNC) != 0
      var message = Message(
        bytes: Array(bytes[1..<length]), descriptors: Array(descriptors.prefix(Int(count))), lostDescriptors: lost)
      if bytes[0] == 1 {
        guard !message.descriptors.isEmpty else {
          throw InterprocessError(call: "recvmsg", object: "control socket \(number)", errno: .tooManyOpenFiles)
        }
        message.bytes = try Self.contents(of: OwnedDescriptor(adopting: message.descriptors.removeFirst()))
      }
      return .message(message)
    }
  }

  private static func memory(holding bytes: [UInt8]) throws(InterprocessError) -> OwnedDescriptor {
    let memory = OwnedDescriptor(
      adopting: try systemCall("memfd_create", nil) { ci_memfd_create("worker setup", ci_mfd_cloexec()) })
    var written = 0
    while written < bytes.count {
      written += try systemCall("pwrite", "memfd \(memory.rawValue)") {
        bytes.withUnsafeBytes { all in
          pwrite(memory.rawValue, all.baseAddress.map { $0 + written }, all.count - written, written)
        }
      }
    }
    return memory
  }

  private static func contents(of memory: consuming OwnedDescriptor) throws(InterprocessError) -> [UInt8] {
    let file = memory.rawValue
    let size = try systemCall("lseek", "memfd \(file)") { lseek(file, 0, SEEK_END) }
    var bytes = [UInt8](repeating: 0, count: size)
    var done = 0
    while done < size {
      let count = try systemCall("pread", "memfd \(file)") {
        bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress.map { $0 + done }, $0.count - done, done) }
      }
      if count == 0 { break }
      done += count
    }
    return bytes
  }
}

extension ControlSocket {
  /// Sends to the parent, and waits for room unless the parent has ended: of its forks one may hold the other end open
  /// and never read.
  ///
  /// - Returns: whether it was sent.
  func send(_ report: Report, _ descriptors: [CInt] = [], whileLives parent: CInt) -> Bool {
    while true {
      do {
        if try trySend(report.encoded(), descriptors) { return true }
      } catch {
        return false
      }
      var entries = [
        pollfd(fd: number, events: CShort(POLLOUT), revents: 0), pollfd(fd: parent, events: CShort(POLLIN), revents: 0),
      ]
      poll(&entries, 2, -1)
      if entries[1].revents != 0 { return false }
    }
  }
}
