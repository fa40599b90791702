import CInterprocess
import Glibc
import SystemPackage

/// The Unix sockets of this network namespace that are bound, listening or not, as the kernel lists them (`sock_diag`).
enum BoundSockets {
  /// Whether a socket is bound to the file at `path`; `false` where the kernel does not tell (a kernel without
  /// `unix_diag`, a sandbox without netlink).
  static func include(_ path: FilePath, inode: ino_t) -> Bool {
    guard let socket = try? request() else { return false }
    // The name as well as the inode: numbers repeat on different filesystems, and overlays give other devices than stat.
    let wanted = path.bytes.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
    var answer = [UInt8](repeating: 0, count: 1 << 16)
    while case .success(let count) = valueOrErrno({ recv(socket.rawValue, &answer, answer.count, 0) }), count > 0 {
      var messages = Records(answer[..<count], lengthBytes: 4)
      while let message = messages.next() {
        guard message.kind == Wire.socketsOfFamily else { return false }
        if describes(message.content.dropFirst(Wire.descriptionSize), wanted, inode) { return true }
      }
    }
    return false
  }

  /// Whether a socket's attributes are those of the one that is looked for.
  private static func describes(_ attributes: ArraySlice<UInt8>, _ wanted: [UInt8], _ inode: ino_t) -> Bool {
    var attributes = Records(attributes, lengthBytes: 2)
    var (hasName, hasInode) = (false, false)
    while let attribute = attributes.next() {
      switch attribute.kind {
      case Wire.name:
        // As it was bound: with or without a final NUL, from the root or not.
        let name = attribute.content.prefix { $0 != 0 }
        hasName = name.split(separator: UInt8(ascii: "/")).last.map { $0.elementsEqual(wanted) } ?? false
      case Wire.file:
        hasInode = attribute.content.loadNumber(byteCount: 4) == Int(truncatingIfNeeded: inode & 0xFFFF_FFFF)
      default: continue
      }
    }
    return hasName && hasInode
  }

  private static func request() throws(InterprocessError) -> OwnedDescriptor {
    let socket = OwnedDescriptor(
      adopting: try systemCall("socket", "sock_diag") {
        Glibc.socket(AF_NETLINK, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Wire.diagnosis)
      })
    // A kernel that does not answer must not hang a server's start.
    var time = timeval(tv_sec: 1, tv_usec: 0)
    try systemCall("setsockopt", "sock_diag") {
      setsockopt(socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }
    let request = Wire.request
    try systemCall("send", "sock_diag") { send(socket.rawValue, request, request.count, 0) }
    return socket
  }
}

/// The layout of `linux/netlink.h`, `linux/sock_diag.h` and `linux/unix_diag.h`, which Glibc's module leaves out.
private enum Wire {
  static let diagnosis: CInt = 4  // NETLINK_SOCK_DIAG
  static let socketsOfFamily = 20  // SOCK_DIAG_BY_FAMILY
  static let descriptionSize = 16  // struct unix_diag_msg
  static let name = 0  // UNIX_DIAG_NAME
  static let file = 1  // UNIX_DIAG_VFS: inode and device

  /// Asks for all sockets that are not connected (an accepted connection has its listener's file, and may outlive it).
  static var request: [UInt8] {
    let states: UInt32 = 1 << 7 | 1 << 10  // TCP_CLOSE, TCP_LISTEN
    let shown: UInt32 = 1 << 0 | 1 << 1  // UDIAG_SHOW_NAME, UDIAG_SHOW_VFS
    let kindAndFlags = UInt32(socketsOfFamily) | 0x301 << 16  // NLM_F_REQUEST | NLM_F_DUMP
    let header: [UInt32] = [40, kindAndFlags, 1, 0]
    let body: [UInt32] = [UInt32(AF_UNIX), states, 0, shown, 0, 0]
    // Both in the machine's byte order; the family is the body's first byte.
    return (header + [UInt32(littleEndian: body[0])] + body.dropFirst()).flatMap { word in
      withUnsafeBytes(of: word, Array.init)
    }
  }
}

/// Netlink's lists: records that begin with their length and kind, padded to 4 bytes.
private struct Records {
  private var rest: ArraySlice<UInt8>
  /// 4 for messages (`struct nlmsghdr`), 2 for attributes (`struct nlattr`).
  private let lengthBytes: Int

  init(_ bytes: ArraySlice<UInt8>, lengthBytes: Int) {
    rest = bytes
    self.lengthBytes = lengthBytes
  }

  mutating func next() -> (kind: Int, content: ArraySlice<UInt8>)? {
    let headerSize = lengthBytes == 4 ? 16 : 4
    guard rest.count >= headerSize else { return nil }
    let length = rest.loadNumber(byteCount: lengthBytes)
    guard length >= headerSize, length <= rest.count else { return nil }
    let record = rest.prefix(length)
    rest = rest.dropFirst((length + 3) & ~3)
    return (record.dropFirst(lengthBytes).loadNumber(byteCount: 2), record.dropFirst(headerSize))
  }
}

extension ArraySlice<UInt8> {
  /// The number that the first bytes are, in the machine's byte order; 0 where there are fewer.
  fileprivate func loadNumber(byteCount: Int) -> Int {
    guard count >= byteCount else { return 0 }
    return withUnsafeBytes { bytes in
      byteCount == 4 ? Int(bytes.loadUnaligned(as: UInt32.self)) : Int(bytes.loadUnaligned(as: UInt16.self))
    }
  }
}
