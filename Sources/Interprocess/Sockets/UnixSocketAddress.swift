import CInterprocess
import Glibc
public import SystemPackage

/// Where a Unix socket listens: at a path of the file system, or under an abstract name, which has no file and goes
/// with its socket.
public enum UnixSocketAddress: Hashable, Sendable {
  /// A path of at most 107 bytes.
  case path(FilePath)

  /// A name of at most 107 bytes, known to every process in the same network namespace.
  case abstract(String)

  /// The address in a `sockaddr_un`; `nil` for that of a socket that has none.
  init?(_ address: sockaddr_un, _ length: socklen_t) {
    let room = Int(length) - MemoryLayout<sa_family_t>.size
    guard room > 0 else { return nil }
    var path = address.sun_path
    let bytes = withUnsafeBytes(of: &path) { Array($0.prefix(room)) }
    if bytes.first == 0 {
      self = .abstract(String(decoding: bytes.dropFirst(), as: UTF8.self))
    } else {
      // As it is, UTF-8 or not.
      self = .path(FilePath(platformString: bytes.prefix { $0 != 0 }.map(CChar.init(bitPattern:)) + [0]))
    }
  }

  /// Whether a socket's file is at a path: not, where there is another file.
  package var isSocket: Bool {
    guard case .path(let path) = self else { return true }
    var status = stat()
    return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  var quoted: String {
    switch self {
    case .path(let path): "\"\(path)\""
    case .abstract(let name): "\"@\(name)\""
    }
  }

  /// - Throws: `Errno.nameTooLong` (or `invalidArgument` when it is empty) for what does not fit into `sun_path`.
  func check(for call: StaticString) throws(InterprocessError) {
    let length = nameBytes.count
    // A path ends with a NUL and an abstract name begins with one.
    let limit = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
    if length == 0 { throw .refused(call, quoted, "the address is empty") }
    if length > limit {
      throw InterprocessError(
        call: "\(call)", object: quoted, errno: .fileNameTooLong,
        remedy: "an address has room for \(limit) bytes, this one has \(length); use a shorter directory")
    }
  }

  private var nameBytes: [UInt8] {
    switch self {
    case .path(let path): path.bytes
    case .abstract(let name): Array(name.utf8)
    }
  }

  func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let name = nameBytes
    let isAbstract = if case .abstract = self { true } else { false }
    withUnsafeMutableBytes(of: &address.sun_path) { path in
      UnsafeMutableRawBufferPointer(rebasing: path[(isAbstract ? 1 : 0)...]).copyBytes(
        from: name.prefix(path.count - 1))
    }
    // An abstract name is as long as the address says, NULs and all; a path counts its final NUL.
    let length = MemoryLayout<sa_family_t>.size + 1 + name.count
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
    }
  }
}

extension FilePath {
  /// The path as the kernel gets it, without the final NUL. Its string would have what is not UTF-8 repaired.
  var bytes: [UInt8] {
    withPlatformString { path in Array(UnsafeRawBufferPointer(start: path, count: strlen(path))) }
  }
}
