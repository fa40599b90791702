import CInterprocess
import Glibc
import SystemPackage

/// Files and directories of `/proc`, which have no size before they are read.
enum ProcFile {
  /// The whole content.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory` or `Errno.noSuchProcess` when its process has ended;
  ///   `Errno.permissionDenied`.
  static func bytes(of path: String) throws(Errno) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor == -1 { throw Errno(rawValue: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while true {
      var count = 0
      let piece = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, filled in
        count = read(descriptor, buffer.baseAddress, buffer.count)
        filled = max(0, count)
      }
      if count == -1, errno == EINTR { continue }
      if count == -1 { throw Errno(rawValue: errno) }
      if count == 0 { return bytes }
      // Most are short: the first piece is all there is, and is not copied.
      if bytes.isEmpty { bytes = piece } else { bytes += piece }
    }
  }

  static func text(of path: String) throws(Errno) -> String {
    String(decoding: try bytes(of: path), as: UTF8.self)
  }

  /// A directory's entries, without `.` and `..`.
  static func entries(of path: String) throws(Errno) -> [String] {
    guard let directory = opendir(path) else { throw Errno(rawValue: errno) }
    defer { closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    if errno != 0 { throw Errno(rawValue: errno) }
    return names
  }

  /// The entries that are numbers: processes, threads, descriptors. None where the directory cannot be read.
  static func numbers(in path: String) -> [CInt] {
    ((try? entries(of: path)) ?? []).compactMap { CInt($0) }
  }

  /// Where a symbolic link leads.
  static func target(of path: String) throws(Errno) -> String {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &target, target.count)
    if count == -1 { throw Errno(rawValue: errno) }
    return String(decoding: target.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// What stands at a path, following links.
  static func status(of path: String) throws(Errno) -> stat {
    var status = stat()
    if stat(path, &status) == -1 { throw Errno(rawValue: errno) }
    return status
  }
}
