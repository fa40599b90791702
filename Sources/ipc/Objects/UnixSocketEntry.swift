import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// A Unix socket with an address, as `/proc/net/unix` shows it.
struct UnixSocketEntry: Equatable {
  /// A path as it was bound, or `@` and an abstract name.
  let name: String
  let inode: UInt
  let isListening: Bool

  static func all() -> [UnixSocketEntry] {
    parse((try? ProcFile.text(of: "/proc/net/unix")) ?? "")
  }

  static func parse(_ text: String) -> [UnixSocketEntry] {
    let text = text.hasSuffix("\n") ? text.dropLast() : text[...]
    var lines: [String] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst() {
      // A path may have line breaks: what does not begin as an entry does is more of the one before.
      if startsEntry(line) || lines.isEmpty {
        lines.append(String(line))
      } else {
        lines[lines.count - 1] += "\n\(line)"
      }
    }
    return lines.compactMap { UnixSocketEntry(line: $0) }
  }

  /// An entry begins with the socket's address in memory: 16 digits, or 8, and a colon.
  private static func startsEntry(_ line: Substring) -> Bool {
    let digits = line.prefix { $0.isHexDigit }
    return digits.count >= 8 && line.dropFirst(digits.count).hasPrefix(": ")
  }

  /// `Num RefCount Protocol Flags Type St Inode Path`.
  private init?(line: String) {
    let fields = line.split(separator: " ", maxSplits: 6)
    guard fields.count == 7, let flags = UInt(fields[3], radix: 16) else { return nil }
    // Spaces fill up the number on its left; on its right there is one, and the rest is the path, spaces and all.
    let rest = fields[6].drop { $0 == " " }
    let number = rest.prefix { $0 != " " }
    let path = rest.dropFirst(number.count + 1)
    guard let inode = UInt(number), !path.isEmpty else { return nil }
    name = String(path)
    self.inode = inode
    isListening = flags & Self.acceptsConnections != 0
  }

  private static let acceptsConnections: UInt = 0x10000  // __SO_ACCEPTCON
}

extension ListedObject {
  init(_ socket: UnixSocketEntry, _ processes: ProcessTable) {
    let holders = processes.sockets[socket.inode] ?? []
    let path = Self.absolutePath(socket.name, of: holders)
    self.init(.unixSocket, .name(path))
    // It is there, so somebody has it, seen or not.
    self.holders = ObjectHolders(holders, otherwise: .unseen)
    owner = processes.socketOwners[socket.inode]
    if let status = SocketFile.status(of: path) { describe(by: status) }
  }

  /// A server may have bound a path relative to its working directory, in which it most likely is still.
  private static func absolutePath(_ name: String, of holders: Set<CInt>) -> String {
    if name.hasPrefix("/") || name.hasPrefix("@") { return name }
    return holders.sorted().lazy
      .compactMap { try? ProcFile.target(of: "/proc/\($0)/cwd") }
      .map { FilePath($0).pushing(FilePath(name)).lexicallyNormalized().string }
      .first { SocketFile.status(of: $0) != nil } ?? name
  }
}

/// A socket's path in the file system, which its server may have left behind.
enum SocketFile {
  /// - Returns: `nil` when no socket stands at `path`.
  static func status(of path: String) -> stat? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
    return status
  }

  /// Whether anybody is behind the path: the kernel's answer to an attempt to connect.
  static func holders(at path: String) -> ObjectHolders {
    do throws(InterprocessError) {
      _ = try UnixSocket(connectingTo: .path(FilePath(path)), timeout: .zero)
      return .unseen
    } catch {
      return error.errno == .connectionRefused ? .nobody : .unseen
    }
  }
}
