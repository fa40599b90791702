import CInterprocess
import Glibc
public import SystemPackage

/// A directory that only this user can enter, made for FIFOs, sockets and files that belong to one job, and removed
/// with all that is in it when its owner goes.
public struct TemporaryDirectory: ~Copyable, Sendable {
  public let path: FilePath

  /// Creates the directory within `TMPDIR`, or `/tmp` where that is not set.
  ///
  /// The corresponding C function is `mkdtemp`.
  ///
  /// - Parameter prefix: what its name begins with.
  public init(prefix: String = "interprocess") throws(InterprocessError) {
    path = try FilePath.makingUnique(prefix, by: "mkdtemp") { ci_mkdtemp($0) == nil ? -1 : 0 }.path
  }

  deinit {
    // Only what a job put there itself: plain entries, no directories below.
    for name in path.entries { _ = path.appending(name).withPlatformString { Glibc.unlink($0) } }
    _ = path.withPlatformString { rmdir($0) }
  }
}

extension FilePath {
  /// The names of a directory's entries, without "." and ".."; none where it cannot be read.
  fileprivate var entries: [String] {
    guard let directory = withPlatformString({ opendir($0) }) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Has `create` make something within `TMPDIR`, or `/tmp` where that is not set, under a name that nothing else has.
  ///
  /// - Parameter create: gets a path that ends in six X, and fills them in.
  /// - Returns: what `create` returned, and the path it made.
  static func makingUnique(
    _ prefix: String, by call: StaticString, _ create: (UnsafeMutablePointer<CChar>) -> CInt
  ) throws(InterprocessError) -> (result: CInt, path: FilePath) {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let pattern = FilePath(directory.isEmpty ? "/tmp" : directory).appending("\(prefix)-XXXXXX")
    var characters = Array(pattern.string.utf8CString)
    let result = try systemCall(
      call, "\"\(pattern)\"",
      remedy: naming("directory; set TMPDIR to one")
    ) {
      characters.withUnsafeMutableBufferPointer { create($0.baseAddress.unsafelyUnwrapped) }
    }
    return (result, FilePath(String(decoding: characters.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)))
  }
}
