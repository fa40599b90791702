import CInterprocess
import Glibc
public import SystemPackage

/// Shared memory without a name: for processes that inherit it by `fork`, or get its descriptor passed.
///
/// Nobody else can find it, and nothing is left of it when the last process that holds it ends, however it ends. Unless
/// asked otherwise it is sealed: nobody can shrink it under a reader, which would be a SIGBUS.
public struct AnonymousMemory: ~Copyable, Sendable, MappedMemory {
  /// What nobody may do with the memory any more, the one who said so included. A seal is never taken back.
  ///
  /// The corresponding C constants are `F_SEAL_SHRINK` and so on.
  public struct Seals: OptionSet, Hashable, Sendable {
    public let rawValue: CInt

    public init(rawValue: CInt) { self.rawValue = rawValue }

    /// It does not become smaller.
    public static let shrinking = Seals(rawValue: ci_seal_shrink())
    /// It does not become larger.
    public static let growing = Seals(rawValue: ci_seal_grow())
    /// Its content does not change. Possible only while nobody has it mapped for writing.
    public static let writing = Seals(rawValue: ci_seal_write())
    /// Its content is changed by those only who have it mapped for writing already.
    public static let futureWriting = Seals(rawValue: ci_seal_future_write())
    /// No more seals are added.
    public static let sealing = Seals(rawValue: ci_seal_seal())

    /// Its size is what it is for ever, and more seals are not added.
    public static let fixedSize: Seals = [.shrinking, .growing, .sealing]
  }

  /// The memory's descriptor, to pass to a process that is to map it.
  public let descriptor: OwnedDescriptor

  /// The memory itself.
  public var mapping: Mapping

  /// Creates memory filled with zeros.
  ///
  /// The corresponding C functions are `memfd_create`, `fallocate`, `mmap`, and `fcntl` with `F_ADD_SEALS`.
  ///
  /// - Parameters:
  ///   - byteCount: its size in bytes, at least 1; huge pages are filled up.
  ///   - label: what `/proc/PID/maps` shows for it; labels need not differ.
  ///   - seals: what nobody may do with it; `[]` for memory that can be resized, and sealed later. They come after the
  ///     mapping, so with ``Seals/futureWriting`` this process is the only one that writes.
  ///   - hugePages: the size of the huge pages to make it of; `nil` for ordinary pages.
  /// - Throws: `Errno.noSpace` or `Errno.noMemory` when there is not so much memory, or there are not so many huge
  ///   pages; `Errno.resourceBusy` for ``Seals/writing``, since it is mapped here.
  public init(
    byteCount: Int, label: String = "interprocess", seals: Seals = .fixedSize, hugePages: HugePageSize? = nil
  ) throws(InterprocessError) {
    let object = "\"\(label)\""
    do {
      try self.init(creating: byteCount, label, object, seals, hugePages)
    } catch {
      guard let hugePages, byteCount > 0 else { throw error }
      throw InterprocessError(
        call: error.call, object: object, errno: error.errno, remedy: hugePages.remedy(for: error.errno) ?? error.remedy
      )
    }
  }

  private init(
    creating byteCount: Int, _ label: String, _ object: String, _ seals: Seals, _ hugePages: HugePageSize?
  ) throws(InterprocessError) {
    // The kernel's answer is EINVAL, as it is to a size of page that the machine does not have.
    guard label.utf8.count <= 249 else { throw .refused("memfd_create", object, "a label has at most 249 bytes") }
    let huge = hugePages.map { ci_mfd_hugetlb() | UInt32(bitPattern: $0.flags) } ?? 0
    let descriptor = OwnedDescriptor(
      adopting: try systemCall("memfd_create", object) {
        ci_memfd_create(label, ci_mfd_cloexec() | ci_mfd_allow_sealing() | huge)
      })
    let size = try hugePages == nil ? byteCount : descriptor.wholeBlocks(byteCount, object)
    try descriptor.allocate(size, object)
    let mapping = try Mapping(of: descriptor, byteCount: size, readOnly: false, object)
    if !seals.isEmpty { try Self.add(seals, to: descriptor, object) }
    self.mapping = mapping
    self.descriptor = descriptor
  }

  /// Maps memory that another process created and passed.
  ///
  /// - Throws: `Errno.invalidArgument` when it is not sealed against shrinking: its creator could end this process.
  public init(adopting descriptor: consuming OwnedDescriptor) throws(InterprocessError) {
    try self.init(adopting: descriptor, mayShrink: false)
  }

  /// Maps memory that another process created without seals and passed, a process that one trusts: if it shrinks the
  /// memory, touching what was cut off ends this process with SIGBUS.
  ///
  /// - Throws: `Errno.invalidArgument` when it cannot be sealed at all: it is a file, perhaps.
  public init(adoptingUnsealed descriptor: consuming OwnedDescriptor) throws(InterprocessError) {
    try self.init(adopting: descriptor, mayShrink: true)
  }

  private init(adopting descriptor: consuming OwnedDescriptor, mayShrink: Bool) throws(InterprocessError) {
    let object = "descriptor \(descriptor.rawValue)"
    let seals = try Self.seals(of: descriptor, object)
    guard mayShrink || seals.contains(.shrinking) else {
      throw .refused("mmap", object, "this memory is not sealed against shrinking (F_SEAL_SHRINK)")
    }
    let byteCount = try descriptor.size(object)
    mapping = try Mapping(
      of: descriptor, byteCount: byteCount, readOnly: !seals.isDisjoint(with: [.writing, .futureWriting]), object)
    self.descriptor = descriptor
  }

  consuming func takeDescriptor() -> OwnedDescriptor { descriptor }

  /// What nobody may do with the memory any more.
  ///
  /// The corresponding C function is `fcntl` with `F_GET_SEALS`.
  public var seals: Seals {
    get throws(InterprocessError) { try Self.seals(of: descriptor, described) }
  }

  private static func seals(
    of descriptor: borrowing OwnedDescriptor, _ object: @autoclosure () -> String
  ) throws(InterprocessError) -> Seals {
    func remedy(_ reason: Errno) -> String? {
      reason == .invalidArgument ? "this is a file or memory that cannot be sealed; see MappedFile" : nil
    }
    return Seals(
      rawValue: try systemCall("fcntl", object(), remedy: remedy) { ci_get_seals(descriptor.rawValue) })
  }

  /// Adds seals, for every process that has the memory and for good.
  ///
  /// The corresponding C function is `fcntl` with `F_ADD_SEALS`.
  ///
  /// - Throws: `Errno.notPermitted` after ``Seals/sealing``; `Errno.resourceBusy` for ``Seals/writing`` while somebody
  ///   has it mapped for writing, as this process does unless it has adopted sealed memory.
  public func add(_ seals: Seals) throws(InterprocessError) {
    try Self.add(seals, to: descriptor, described)
  }

  private static func add(
    _ seals: Seals, to descriptor: borrowing OwnedDescriptor, _ object: @autoclosure () -> String
  ) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .notPermitted: "the memory is sealed against more seals"
      case .resourceBusy: "it is mapped for writing; seal it against future writing, or seal its descriptor alone"
      default: nil
      }
    }
    try systemCall("fcntl", object(), remedy: remedy) { ci_add_seals(descriptor.rawValue, seals.rawValue) }
  }

  /// Size, owner, mode and times of the memory.
  ///
  /// The corresponding C function is `fstat`.
  public func status() throws(InterprocessError) -> Stat { try descriptor.status(described) }

  /// Gives memory that was created without seals another size, and maps it anew. What is added is filled with zeros and
  /// allocated at once.
  ///
  /// Other processes go on with what they have mapped: of what was added they see nothing before they call
  /// ``followSize()``, and **touching what was cut off ends them with SIGBUS**. Advice and locks in RAM do not carry
  /// over, and locks that lie in what was cut off are gone.
  ///
  /// The corresponding C functions are `fallocate` or `ftruncate`, and `mmap`.
  ///
  /// - Parameter byteCount: the new size in bytes, at least 1; filled up to whole huge pages where it has them.
  /// - Throws: `Errno.notPermitted` when it is sealed against this, or against ``Seals/futureWriting`` and mapped for
  ///   writing here, since it would have to be mapped so again; `Errno.noSpace` or `Errno.noMemory`.
  public mutating func resize(to byteCount: Int) throws(InterprocessError) {
    let object = described
    // The kernel fills up to whole huge pages; unmapping takes whole ones only.
    let size = try ci_has_huge_pages(descriptor.rawValue) ? descriptor.wholeBlocks(byteCount, object) : byteCount
    try mapping.resize(descriptor, to: size, object)
  }

  /// Maps as much of the memory as there is now, after another process has resized it.
  ///
  /// The corresponding C functions are `fstat` and `mmap`.
  public mutating func followSize() throws(InterprocessError) {
    let object = described
    try mapping.followSize(of: descriptor, object)
  }

  /// Gives the memory away; the descriptor is closed.
  public consuming func takeMapping() -> Mapping { mapping }

  private var described: String { "descriptor \(descriptor.rawValue)" }
}

extension OwnedDescriptor {
  /// `byteCount` filled up to whole blocks, which are the pages of memory made of huge ones.
  fileprivate func wholeBlocks(
    _ byteCount: Int, _ object: @autoclosure () -> String
  ) throws(InterprocessError) -> Int {
    let block = max(1, try status(object()).preferredIOBlockSize)
    let (sum, overflow) = byteCount.addingReportingOverflow(block - 1)
    // Left as it is, such a size is refused by fallocate.
    return overflow || byteCount <= 0 ? byteCount : sum / block * block
  }
}
