import CInterprocess
import Glibc
import SystemPackage

/// Shared memory without a name: for processes that inherit it by `fork`, or get its descriptor passed.
///
/// Nobody else can find it, and nothing is left of it when the last process that holds it ends, however it ends. It is
/// sealed: nobody can shrink it under a reader, which would be a SIGBUS.
public struct AnonymousMemory: ~Copyable, Sendable, MappedMemory {
  /// The memory's descriptor, to pass to a process that is to map it.
  public let descriptor: OwnedDescriptor

  /// The memory itself.
  public var mapping: Mapping

  /// Creates memory filled with zeros.
  ///
  /// The corresponding C functions are `memfd_create`, `fallocate`, `fcntl` with `F_ADD_SEALS`, and `mmap`.
  ///
  /// - Parameters:
  ///   - byteCount: its size in bytes, at least 1.
  ///   - label: what `/proc/PID/maps` shows for it; labels need not differ.
  /// - Throws: `Errno.noSpace` or `Errno.noMemory` when there is not so much memory.
  public init(byteCount: Int, label: String = "interprocess") throws(InterprocessError) {
    let object = "\"\(label)\""
    let descriptor = OwnedDescriptor(
      adopting: try systemCall("memfd_create", object) {
        ci_memfd_create(label, ci_mfd_cloexec() | ci_mfd_allow_sealing())
      })
    try descriptor.allocate(byteCount, object)
    try systemCall("fcntl", object) {
      ci_add_seals(descriptor.rawValue, ci_seal_shrink() | ci_seal_grow() | ci_seal_seal())
    }
    mapping = try Mapping(of: descriptor, byteCount: byteCount, readOnly: false, object)
    self.descriptor = descriptor
  }

  /// Maps memory that another process created and passed.
  ///
  /// - Throws: `Errno.invalidArgument` when it is not sealed against shrinking: its creator could end this process.
  public init(adopting descriptor: consuming OwnedDescriptor) throws(InterprocessError) {
    let object = "descriptor \(descriptor.rawValue)"
    let seals = try systemCall("fcntl", object) { ci_get_seals(descriptor.rawValue) }
    guard seals & ci_seal_shrink() != 0 else {
      throw .refused("mmap", object, "this memory is not sealed against shrinking (F_SEAL_SHRINK)")
    }
    let byteCount = try descriptor.size(object)
    mapping = try Mapping(
      of: descriptor, byteCount: byteCount, readOnly: seals & ci_seal_write() != 0, object)
    self.descriptor = descriptor
  }

  /// Gives the memory away; the descriptor is closed.
  public consuming func takeMapping() -> Mapping { mapping }
}
