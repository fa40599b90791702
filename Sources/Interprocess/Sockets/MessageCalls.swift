import CInterprocess
import Glibc
import SystemPackage

/// `sendmsg` and `recvmsg`, with addresses and descriptors beside the bytes.
extension OwnedDescriptor {
  /// Sends once, without waiting unless asked to.
  ///
  /// - Returns: how many bytes went; `nil` when there is no room.
  func sendMessage(
    _ bytes: RawSpan, passing descriptors: [FileDescriptor], to address: UnixSocketAddress?, waiting: Bool
  ) throws(InterprocessError) -> Int? {
    try address?.check(for: "sendmsg")
    guard descriptors.count <= ReceivedDescriptors.mostPerMessage else {
      throw .refused(
        "sendmsg", described,
        "a message carries at most \(ReceivedDescriptors.mostPerMessage) descriptors, not \(descriptors.count)")
    }
    let numbers = descriptors.map(\.rawValue)
    let flags = waiting ? 0 : CInt(MSG_DONTWAIT)
    let result = bytes.withUnsafeBytes { storage in
      func send(_ address: UnsafePointer<sockaddr>?, _ length: socklen_t) -> Result<Int, Errno> {
        valueOrErrno {
          ci_send_message(
            rawValue, storage.baseAddress, storage.count, address, length, numbers, CInt(numbers.count), flags)
        }
      }
      return address?.withSocketAddress { send($0, $1) } ?? send(nil, 0)
    }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason):
      throw InterprocessError(
        call: "sendmsg", object: address?.quoted ?? described, errno: reason,
        remedy: Self.sendRemedy(reason, bytes.byteCount))
    }
  }

  private static func sendRemedy(_ reason: Errno, _ size: Int) -> String? {
    switch reason {
    case .brokenPipe, .connectionReset: "the other side has closed"
    case .messageTooLong:
      """
      a message of \(size) bytes does not fit into the send buffer; raise \
      \(KernelParameter("net.core.wmem_default").described) with sysctl or send less at once
      """
    case .socketNotConnected: "the socket is not connected; say whom to send it to"
    case .tooManyReferences:
      "more descriptors are on their way than RLIMIT_NOFILE\(ResourceLimit.openFiles.current.map { " (\($0))" } ?? "")"
    case .connectionRefused: "its receiver is gone; start it again"
    case .noSuchFileOrDirectory: "nobody ever received there; the receiver has to come first"
    default: generalRemedy(for: reason)
    }
  }

  /// What `recvmsg` said about a message, its bytes and descriptors aside.
  struct MessageHead {
    var count: Int
    var sender: UnixSocketAddress?
  }

  /// Receives once, without waiting unless asked to.
  ///
  /// - Parameter received: `nil` where descriptors are not wanted: the kernel closes what came.
  /// - Returns: `nil` when there is nothing yet.
  /// - Throws: `Errno.messageTooLong` when a message did not fit: a stream's bytes always do;
  ///   `Errno.tooManyOpenFiles` when descriptors were lost on the way.
  func receiveMessage(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, isStream: Bool, waiting: Bool
  ) throws(InterprocessError) -> MessageHead? {
    var sender = sockaddr_un()
    var length: socklen_t = 0
    // MSG_TRUNC has a message's true length returned, so that the error can name it.
    var flags = (waiting ? 0 : CInt(MSG_DONTWAIT)) | (isStream ? 0 : CInt(MSG_TRUNC))
    let asked = flags
    let result = withUnsafeTemporaryAllocation(of: CInt.self, capacity: ReceivedDescriptors.mostPerMessage) { numbers in
      var count: CInt = 0
      let result = buffer.appendBytes { free -> (count: Int, answer: (Result<Int, Errno>, Int)) in
        let result = valueOrErrno {
          flags = asked
          return ci_receive_message(
            rawValue, free.baseAddress, free.count, &sender, &length, numbers.baseAddress, &count, &flags)
        }
        return (count: min(free.count, (try? result.get()) ?? 0), answer: (result, free.count))
      }
      // Owned before anything can throw.
      received.adopt(numbers.prefix(Int(count)))
      return result
    }
    switch result {
    case (.success(let count), let room):
      if flags & CInt(MSG_CTRUNC) != 0 {
        throw InterprocessError(
          call: "recvmsg", object: described, errno: .tooManyOpenFiles,
          remedy: "the message came, and not all of its descriptors: \(generalRemedy(for: .tooManyOpenFiles) ?? "")")
      }
      if flags & CInt(MSG_TRUNC) != 0, !isStream {
        throw InterprocessError(
          call: "recvmsg", object: described, errno: .messageTooLong,
          remedy: "the message had \(count) bytes, the buffer has room for \(room), and the rest is lost")
      }
      return MessageHead(count: count, sender: UnixSocketAddress(sender, length))
    case (.failure(.wouldBlock), _): return nil
    case (.failure(let reason), _): throw InterprocessError(call: "recvmsg", object: described, errno: reason)
    }
  }

  private var described: String { "socket \(rawValue)" }
}
