import Synchronization
import SystemPackage

/// An array in shared memory: created in one process, opened in others, its elements seen by all.
///
/// It is a reference: copies share the elements. Elements are plain bytes without pointers; a peer that is not trusted
/// may have put anything there. Nothing orders what several processes do to the elements; use a semaphore, a lock, or
/// the end of a process for it.
///
/// The memory begins with a header of 64 bytes, by which opening checks that both sides mean the same: the bytes
/// `SwArray1`, then the element's stride and the count of elements as native 64-bit numbers, then zeros. The elements
/// follow, so a peer in C or Python finds them at offset 64.
public struct SharedArray<Element: BitwiseCopyable> {
  /// Keeps the memory mapped while any copy of the array is there.
  private let region: MappedRegion
  private let elements: UnsafeMutablePointer<Element>
  /// What a message passes; `nil` for memory that is not known to be sealed.
  let passable: PassableDescriptor?

  /// How many elements there are.
  public let count: Int

  /// Whether it lies in memory that may be read only: setting an element is a programmer's error then.
  public let isReadOnly: Bool

  /// How many bytes of memory `count` elements and the header take.
  ///
  /// - Throws: `Errno.overflow` when no memory is that large.
  public static func byteCount(for count: Int) throws(InterprocessError) -> Int {
    let (product, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    let (sum, overflowed) = product.addingReportingOverflow(SharedArrayHeader.byteCount)
    guard count > 0, !overflow, !overflowed else {
      throw InterprocessError(
        call: "SharedArray", object: "\(count) elements", errno: .overflow, remedy: "ask for 1 or more that fit")
    }
    return sum
  }

  /// Makes an array in memory that this process has created, with every element set to `value`.
  ///
  /// - Parameter memory: at least ``byteCount(for:)`` bytes.
  /// - Throws: `Errno.invalidArgument` when the memory is too small or read-only.
  public init(
    repeating value: Element, count: Int, in memory: consuming some MappedMemory & ~Copyable
  ) throws(InterprocessError) {
    let mapping = memory.takeMapping()
    let needed = try Self.byteCount(for: count)
    guard mapping.byteCount >= needed, !mapping.isReadOnly else {
      throw .refused(
        "SharedArray", "\(count) elements",
        mapping.isReadOnly
          ? "the memory is read-only" : "they need \(needed) bytes, the memory has \(mapping.byteCount)")
    }
    elements = mapping.withUnsafeBytes { bytes in
      let elements = Self.elements(in: bytes)
      // Whoever opens it finds no array until all of it is there.
      let header = SharedArrayHeader.Place(bytes)
      header.erase()
      elements.initialize(repeating: value, count: count)
      header.write(SharedArrayHeader(stride: MemoryLayout<Element>.stride, count: count))
      return elements
    }
    self.count = count
    isReadOnly = false
    region = mapping.region
    passable = nil
  }

  /// Makes an array in sealed memory without a name, which travels in a ``Channel``'s messages, with every element set
  /// to `value`. It keeps a descriptor open.
  ///
  /// - Throws: `Errno.overflow` when no memory is that large; `Errno.noSpace` or `Errno.noMemory` when there is not so
  ///   much.
  public init(repeating value: Element, count: Int) throws(InterprocessError) {
    let memory = try AnonymousMemory(byteCount: Self.byteCount(for: count), label: "interprocess-array")
    let descriptor = try memory.descriptor.copy()
    let array = try SharedArray(repeating: value, count: count, in: memory)
    self.init(array, PassableDescriptor(descriptor))
  }

  /// Opens an array that came in a message.
  init(in memory: ArrivedMemory) throws(InterprocessError) {
    guard !memory.isReadOnly else {
      throw .refused("SharedArray", "of \(Element.self)", "the memory is sealed against writing")
    }
    self.init(try SharedArray(in: memory.region, isReadOnly: false), memory.passable)
  }

  private init(_ array: SharedArray, _ passable: PassableDescriptor) {
    elements = array.elements
    count = array.count
    isReadOnly = array.isReadOnly
    region = array.region
    self.passable = passable
  }

  /// Opens an array that another process has made.
  ///
  /// - Throws: `Errno.invalidArgument` when there is no array in the memory, when it is one of other elements, or when
  ///   it claims more of them than the memory holds.
  public init(opening memory: consuming some MappedMemory & ~Copyable) throws(InterprocessError) {
    let mapping = memory.takeMapping()
    try self.init(in: mapping.region, isReadOnly: mapping.isReadOnly)
  }

  private init(in region: MappedRegion, isReadOnly: Bool) throws(InterprocessError) {
    let bytes = UnsafeMutableRawBufferPointer(start: region.start, count: region.byteCount)
    let available = bytes.count
    guard available > SharedArrayHeader.byteCount else {
      throw .refused("SharedArray", "\(available) bytes", "there is no array in this memory")
    }
    // Copied once, checked then: its writer could change it in between.
    let stride = MemoryLayout<Element>.stride
    guard let header = SharedArrayHeader.Place(bytes).read() else {
      throw .refused("SharedArray", "\(available) bytes", "there is no array in this memory")
    }
    guard header.stride == stride else {
      throw .refused(
        "SharedArray", "of \(Element.self)", "its elements have \(header.stride) bytes, \(Element.self) has \(stride)")
    }
    guard header.count > 0, header.count <= (available - SharedArrayHeader.byteCount) / stride else {
      throw .refused(
        "SharedArray", "\(available) bytes", "it claims \(header.count) elements, more than the memory holds")
    }
    elements = Self.elements(in: bytes)
    count = Int(header.count)
    self.isReadOnly = isReadOnly
    self.region = region
    passable = nil
  }

  private static func elements(in bytes: UnsafeMutableRawBufferPointer) -> UnsafeMutablePointer<Element> {
    // Mappings begin at a page and the header is as large as the largest alignment, so the elements are aligned.
    let start = bytes.baseAddress.unsafelyUnwrapped + SharedArrayHeader.byteCount
    return start.assumingMemoryBound(to: Element.self)
  }

  /// The element at `index`, which is within `0..<count`.
  public subscript(index: Int) -> Element {
    get {
      precondition(indices.contains(index), "index \(index) is outside 0..<\(count)")
      return withExtendedLifetime(region) { elements[index] }
    }
    nonmutating set {
      precondition(indices.contains(index), "index \(index) is outside 0..<\(count)")
      precondition(!isReadOnly, "this array was opened in read-only memory")
      withExtendedLifetime(region) { elements[index] = newValue }
    }
  }
}

// Sendable: the elements belong to several processes in any case; whoever orders processes orders threads.
extension SharedArray: @unchecked Sendable where Element: Sendable {}

extension SharedArray: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }
}

/// What a ``SharedArray`` begins with, after the 8 bytes that say that it is one.
private struct SharedArrayHeader {
  static let byteCount = 64
  private static let magic = UInt64(bigEndian: 0x5377_4172_7261_7931)  // "SwArray1"

  let stride: UInt64
  let count: UInt64

  init(stride: Int, count: Int) {
    self.stride = UInt64(stride)
    self.count = UInt64(count)
  }

  /// Where it lies: the magic number first, which is written last.
  struct Place {
    private let magic: UnsafeMutablePointer<Atomic<UInt64>>
    private let rest: UnsafeMutablePointer<SharedArrayHeader>

    init(_ bytes: UnsafeMutableRawBufferPointer) {
      let start = bytes.baseAddress.unsafelyUnwrapped
      magic = start.assumingMemoryBound(to: Atomic<UInt64>.self)
      rest = (start + 8).assumingMemoryBound(to: SharedArrayHeader.self)
    }

    func erase() { magic.pointee.store(0, ordering: .relaxed) }

    func write(_ header: SharedArrayHeader) {
      rest.pointee = header
      // Pairs with the acquire in read().
      magic.pointee.store(SharedArrayHeader.magic, ordering: .releasing)
    }

    /// - Returns: `nil` when no array is there, or it is not ready.
    func read() -> SharedArrayHeader? {
      // Pairs with the release in write(_:).
      magic.pointee.load(ordering: .acquiring) == SharedArrayHeader.magic ? rest.pointee : nil
    }
  }
}
