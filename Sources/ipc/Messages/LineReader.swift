import CInterprocess
import Glibc
import SystemPackage

/// Takes lines out of bytes that come in pieces.
struct LineReader {
  /// The beginning of a line whose end has not come.
  private(set) var rest: [UInt8] = []
  private let read: () throws -> [UInt8]

  /// - Parameter read: gives the next bytes, none at the end.
  init(_ read: @escaping () throws -> [UInt8]) {
    self.read = read
  }

  /// The next line without its end; the last one may lack it. `nil` when there are no more.
  mutating func next() throws -> [UInt8]? {
    var searched = 0
    while true {
      if let end = rest[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest.removeFirst(end + 1) }
        return Array(rest[..<end])
      }
      searched = rest.count
      let more = try read()
      if more.isEmpty {
        defer { rest = [] }
        return rest.isEmpty ? nil : rest
      }
      rest += more
    }
  }
}

extension FileDescriptor {
  /// The next bytes, at most 64 KiB; none at the end. It waits for them even where the descriptor does not.
  func readSome() throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      do {
        let count = try bytes.withUnsafeMutableBytes { try read(into: $0) }
        return Array(bytes.prefix(count))
      } catch Errno.wouldBlock {
        var entry = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, -1)
      }
    }
  }

  /// Bytes of a file; zeros where it has become shorter.
  func bytes(in range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var count = 0
    while count < bytes.count {
      let came = try bytes.withUnsafeMutableBytes {
        try read(fromAbsoluteOffset: Int64(range.lowerBound + count), into: .init(rebasing: $0[count...]))
      }
      if came == 0 { break }
      count += came
    }
    return bytes
  }
}
