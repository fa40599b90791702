import CInterprocess
import Glibc
public import SystemPackage

/// A file with a name that nothing else has, readable by this user only, and removed when its owner goes.
///
/// One process writes it and another one reads it: the oldest way to hand over a result. It holds no descriptor in
/// between.
public struct TemporaryFile: ~Copyable, Sendable {
  public let path: FilePath

  /// Creates the file, empty, within `TMPDIR`, or `/tmp` where that is not set.
  ///
  /// The corresponding C function is `mkostemp`.
  ///
  /// - Parameter prefix: what its name begins with.
  public init(prefix: String = "interprocess") throws(InterprocessError) {
    let (descriptor, path) = try FilePath.makingUnique(prefix, by: "mkostemp") { ci_mkostemp($0) }
    _ = OwnedDescriptor(adopting: descriptor)
    self.path = path
  }

  deinit {
    _ = path.withPlatformString { Glibc.unlink($0) }
  }

  /// Replaces the file's content.
  ///
  /// The corresponding C functions are `open` with `O_TRUNC`, `write` and `close`.
  ///
  /// - Throws: `Errno.noSpace`; `Errno.noSuchFileOrDirectory` when somebody removed it.
  public func write(_ bytes: [UInt8]) throws(InterprocessError) {
    var file = try OwnedDescriptor(openingFile: path, O_WRONLY | O_TRUNC)
    var written = 0
    while written < bytes.count {
      written += try systemCall("write", "\"\(path)\"") {
        bytes.withUnsafeBytes { Glibc.write(file.rawValue, $0.baseAddress.map { $0 + written }, bytes.count - written) }
      }
    }
    try file.close()
  }

  /// The file's content.
  ///
  /// The corresponding C functions are `open`, `fstat` and `read`.
  public func read() throws(InterprocessError) -> [UInt8] {
    let file = try OwnedDescriptor(openingFile: path, O_RDONLY)
    let size = try file.size("\"\(path)\"")
    return try [UInt8](receivingUpTo: size) { buffer throws(InterprocessError) in
      while buffer.freeCapacity > 0 {
        let count = try buffer.appendBytes { storage throws(InterprocessError) in
          let count = try systemCall("read", "\"\(path)\"") {
            Glibc.read(file.rawValue, storage.baseAddress, storage.count)
          }
          return (count, count)
        }
        if count == 0 { return }
      }
    }
  }
}
