import CInterprocess
import Glibc
import SystemPackage

/// Reading and writing stream sockets, without SIGPIPE and, where asked, without blocking.
enum SocketCalls: StreamCalls {
  static var readCall: StaticString { "recv" }
  static var writeCall: StaticString { "send" }

  static func read(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, waiting: Bool) -> Int {
    recv(descriptor, buffer.baseAddress, buffer.count, waiting ? 0 : CInt(MSG_DONTWAIT))
  }

  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, waiting: Bool) -> Int {
    let flags = CInt(MSG_NOSIGNAL) | (waiting ? 0 : CInt(MSG_DONTWAIT))
    return send(descriptor, bytes.baseAddress, bytes.count, flags)
  }
}
