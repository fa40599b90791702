import CInterprocess
import Glibc
public import SystemPackage

/// A directory that only this user can enter, made for FIFOs, sockets and files that belong to one job, and removed
/// with them when its owner goes. One in which somebody has made another directory stays.
public struct TemporaryDirectory: ~Copyable, Sendable {
  public let path: FilePath

  /// Open from the beginning on: looking for what there is to remove takes a descriptor, and in the end there may be none.
  private let number: CInt

  /// Creates the directory within `TMPDIR`, or `/tmp` where that is not set.
  ///
  /// The corresponding C function is `mkdtemp`. It holds a descriptor.
  ///
  /// - Parameter prefix: what its name begins with.
  public init(prefix: String = "interprocess") throws(InterprocessError) {
    let path = try FilePath.makingUnique(prefix, by: "mkdtemp") { ci_mkdtemp($0) == nil ? -1 : 0 }.path
    do {
      number = try systemCall("open", "\"\(path)\"") {
        path.withPlatformString { ci_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
      }
      self.path = path
    } catch {
      _ = path.withPlatformString { rmdir($0) }
      throw error
    }
  }

  deinit {
    Self.unlinkEntries(of: number)
    _ = path.withPlatformString { rmdir($0) }
  }

  /// Removes all of a directory's entries that are no directories, and closes it.
  private static func unlinkEntries(of number: CInt) {
    guard let directory = fdopendir(number) else {
      close(number)
      return
    }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      // By the name as it is, UTF-8 or not.
      withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlinkat(number, $0, 0) }
      }
    }
  }
}

extension FilePath {
  private static func temporaryRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .noSuchFileOrDirectory: "there is no such directory; set TMPDIR to one"
    case .permissionDenied: "this user may not create files there; set TMPDIR to another directory"
    case .noSpace: "its file system is full; set TMPDIR to a directory on another one"
    default: generalRemedy(for: reason)
    }
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
      remedy: Self.temporaryRemedy
    ) {
      characters.withUnsafeMutableBufferPointer { create($0.baseAddress.unsafelyUnwrapped) }
    }
    return (result, FilePath(String(decoding: characters.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)))
  }
}
