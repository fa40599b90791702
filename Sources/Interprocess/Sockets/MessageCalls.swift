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
    let flags = (waiting ? 0 : CInt(MSG_DONTWAIT)) | CInt(MSG_NOSIGNAL)
    let result =
      if descriptors.isEmpty, address == nil {
        bytes.withUnsafeBytes { storage in
          valueOrErrno { Glibc.send(rawValue, storage.baseAddress, storage.count, flags) }
        }
      } else {
        try sendMessage(bytes, passing: descriptors, to: address, flags)
      }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw sendFailure(reason, bytes.byteCount, address)
    }
  }

  func sendFailure(_ reason: Errno, _ size: Int, _ address: UnixSocketAddress?) -> InterprocessError {
    InterprocessError(
      call: "sendmsg", object: address?.quoted ?? described, errno: reason, remedy: Self.sendRemedy(reason, size))
  }

  private func sendMessage(
    _ bytes: RawSpan, passing descriptors: [FileDescriptor], to address: UnixSocketAddress?, _ flags: CInt
  ) throws(InterprocessError) -> Result<Int, Errno> {
    try address?.check(for: "sendmsg")
    guard descriptors.count <= ReceivedDescriptors.mostPerMessage else {
      throw .refused(
        "sendmsg", described,
        "a message carries at most \(ReceivedDescriptors.mostPerMessage) descriptors, not \(descriptors.count)")
    }
    let numbers = descriptors.map(\.rawValue)
    return bytes.withUnsafeBytes { storage in
      func send(_ address: UnsafePointer<sockaddr>?, _ length: socklen_t) -> Result<Int, Errno> {
        valueOrErrno {
          ci_send_message(
            rawValue, storage.baseAddress, storage.count, address, length, numbers, CInt(numbers.count), flags)
        }
      }
      return address?.withSocketAddress { send($0, $1) } ?? send(nil, 0)
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
    /// `MSG_CTRUNC` where descriptors were lost.
    fileprivate var flags: CInt = 0
  }

  /// Who is at the other end of a connection; `nil` where that has no address, or there is none.
  var peerAddress: UnixSocketAddress? {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafeMutableBytes(of: &address) { bytes in
      bytes.baseAddress.map { getpeername(rawValue, $0.assumingMemoryBound(to: sockaddr.self), &length) }
    }
    return result == 0 ? UnixSocketAddress(address, length) : nil
  }

  /// Receives once, without waiting unless asked to.
  ///
  /// - Parameter asksForSender: whether it is to be told where descriptors are not wanted; with them it always is.
  /// - Returns: `nil` when there is nothing yet.
  /// - Throws: `Errno.messageTooLong` when a message did not fit: a stream's bytes always do;
  ///   `Errno.tooManyOpenFiles` when descriptors were lost on the way.
  func receiveMessage(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, isStream: Bool,
    asksForSender: Bool = true, waiting: Bool
  ) throws(InterprocessError) -> MessageHead? {
    // MSG_TRUNC has a message's true length returned, so that the error can name it.
    let flags = (waiting ? 0 : CInt(MSG_DONTWAIT)) | (isStream ? 0 : CInt(MSG_TRUNC))
    let room = buffer.freeCapacity
    var head = MessageHead(count: 0)
    let result =
      if received.areWanted {
        receive(into: &buffer, &received, flags, &head)
      } else if asksForSender {
        receive(into: &buffer, flags, &head)
      } else {
        buffer.appendBytes { free in
          let result = valueOrErrno { recv(rawValue, free.baseAddress, free.count, flags) }
          return (count: min(free.count, (try? result.get()) ?? 0), answer: result)
        }
      }
    switch result {
    case .success(let count):
      if count > room || head.flags != 0 { throw loss(of: count, room, head.flags) }
      head.count = count
      return head
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw receiveFailure(reason)
    }
  }

  /// Without descriptors, which is quicker: the kernel closes what comes.
  private func receive(
    into buffer: inout OutputRawSpan, _ flags: CInt, _ head: inout MessageHead
  ) -> Result<Int, Errno> {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = buffer.appendBytes { free in
      let result = withUnsafeMutableBytes(of: &address) { address in
        let address = address.baseAddress?.assumingMemoryBound(to: sockaddr.self)
        return valueOrErrno { recvfrom(rawValue, free.baseAddress, free.count, flags, address, &length) }
      }
      return (count: min(free.count, (try? result.get()) ?? 0), answer: result)
    }
    if length > 0, case .success = result { head.sender = UnixSocketAddress(address, length) }
    return result
  }

  private func receive(
    into buffer: inout OutputRawSpan, _ received: inout ReceivedDescriptors, _ flags: CInt, _ head: inout MessageHead
  ) -> Result<Int, Errno> {
    withUnsafeTemporaryAllocation(of: CInt.self, capacity: ReceivedDescriptors.mostPerMessage) { numbers in
      var address = sockaddr_un()
      var length: socklen_t = 0
      var count: CInt = 0
      let result = buffer.appendBytes { free in
        let result = valueOrErrno {
          head.flags = flags
          return ci_receive_message(
            rawValue, free.baseAddress, free.count, &address, &length, numbers.baseAddress, &count, &head.flags)
        }
        return (count: min(free.count, (try? result.get()) ?? 0), answer: result)
      }
      // Owned before anything can throw.
      received.adopt(numbers.prefix(Int(count)))
      head.flags &= CInt(MSG_CTRUNC)
      head.sender = UnixSocketAddress(address, length)
      return result
    }
  }

  /// What to throw when a message came, and not all of it.
  func loss(of count: Int, _ room: Int, _ flags: CInt) -> InterprocessError {
    flags & CInt(MSG_CTRUNC) != 0
      ? InterprocessError(
        call: "recvmsg", object: described, errno: .tooManyOpenFiles,
        remedy: "the message came, and not all of its descriptors: \(generalRemedy(for: .tooManyOpenFiles) ?? "")")
      : InterprocessError(
        call: "recvmsg", object: described, errno: .messageTooLong,
        remedy: "the message had \(count) bytes, the buffer has room for \(room), and the rest is lost")
  }

  func receiveFailure(_ reason: Errno) -> InterprocessError {
    InterprocessError(call: "recvmsg", object: described, errno: reason)
  }

  private var described: String { "socket \(rawValue)" }
}
