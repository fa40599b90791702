/// Bytes that grow at the end. Arrays that are large are only noted, and copied once, into the caller's buffer.
final class CBORBuffer {
  @exclusivity(unchecked) private(set) var base: UnsafeMutableRawPointer
  @exclusivity(unchecked) private(set) var count = 0
  @exclusivity(unchecked) private var capacity: Int
  @exclusivity(unchecked) private var attachments: [Attachment] = []

  /// Bytes that belong before `position`.
  private struct Attachment {
    var position: Int
    let byteCount: Int
    let append: (inout [UInt8]) -> Void
  }

  /// From here on noting an array is cheaper than copying it twice.
  private static let leastAttachment = 16384

  init(capacity: Int) {
    base = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
  }

  deinit { base.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  @inline(__always)
  func reserve(_ byteCount: Int) {
    if capacity - count < byteCount { grow(byteCount) }
  }

  @inline(never)
  private func grow(_ byteCount: Int) {
    capacity = max(2 * capacity, count + byteCount)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    larger.copyMemory(from: base, byteCount: count)
    base.deallocate()
    base = larger
  }
}

// MARK: - Appending

extension CBORBuffer {
  @inline(__always)
  func append(_ byte: UInt8) {
    reserve(1)
    base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count += 1
  }

  /// Appends a byte, and an integer in network byte order.
  @inline(__always)
  func append<Integer: FixedWidthInteger & BitwiseCopyable>(_ byte: UInt8, _ integer: Integer) {
    let size = MemoryLayout<Integer>.size
    reserve(1 + size)
    base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    base.storeBytes(of: integer.bigEndian, toByteOffset: count + 1, as: Integer.self)
    count += 1 + size
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    reserve(bytes.count)
    (base + count).copyMemory(from: start, byteCount: bytes.count)
    count += bytes.count
  }

  /// Appends the head of an item in as few bytes as it takes.
  @inline(__always)
  func appendHead(_ major: UInt8, _ argument: UInt64) {
    if argument < 24 {
      append(major | UInt8(truncatingIfNeeded: argument))
    } else {
      appendLongHead(major, argument)
    }
  }

  private func appendLongHead(_ major: UInt8, _ argument: UInt64) {
    if let argument = UInt8(exactly: argument) {
      append(major | 24, argument)
    } else if let argument = UInt16(exactly: argument) {
      append(major | 25, argument)
    } else if let argument = UInt32(exactly: argument) {
      append(major | 26, argument)
    } else {
      append(major | 27, argument)
    }
  }

  @inline(__always)
  func appendText(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      appendHead(CBORMajor.text, UInt64(bytes.count))
      append(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Appends the memory of `elements`; a large array stays where it is until ``appendAll(to:)``.
  func append<Elements: CBORContiguousElements>(memoryOf elements: Elements) {
    let byteCount = elements.byteCount
    guard byteCount >= Self.leastAttachment else { return elements.withUnsafeBytes { append($0) } }
    let attachment = Attachment(position: count, byteCount: byteCount) { output in
      elements.withUnsafeBytes { output.append(contentsOf: $0) }
    }
    attachments.append(attachment)
  }
}

// MARK: - Changing what was appended

extension CBORBuffer {
  func removeAll() {
    count = 0
    if !attachments.isEmpty { attachments = [] }
  }

  /// Takes back all that came after `position`.
  func truncate(to position: Int) {
    count = position
    // One at `position` itself came before it: an attachment always follows a head.
    while let last = attachments.last, last.position > position { attachments.removeLast() }
  }

  /// Replaces the byte at `position` by a head, moving what follows where the head is longer than that.
  func replaceByte(at position: Int, byHead major: UInt8, _ argument: UInt64) {
    if argument < 24 {
      base.storeBytes(of: major | UInt8(truncatingIfNeeded: argument), toByteOffset: position, as: UInt8.self)
      return
    }
    let oldCount = count
    appendHead(major, argument)
    let size = count - oldCount
    reserve(8)
    // The head, just written behind everything, is saved while the rest moves.
    var head: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &head) { head in
      for offset in 0..<size { head[offset] = base.load(fromByteOffset: oldCount + offset, as: UInt8.self) }
      let rest = position + 1
      (base + position + size).copyMemory(from: base + rest, byteCount: oldCount - rest)
      for offset in 0..<size { base.storeBytes(of: head[offset], toByteOffset: position + offset, as: UInt8.self) }
    }
    count = oldCount + size - 1
    for index in attachments.indices where attachments[index].position > position {
      attachments[index].position += size - 1
    }
  }

  /// Cuts off what came after `position` and gives it away.
  func split(at position: Int) -> CBORBuffer {
    let rest = CBORBuffer(capacity: max(16, count - position))
    rest.append(self, from: position, to: count)
    attachments.removeAll { $0.position > position }
    count = position
    return rest
  }

  /// Appends a part of another buffer, with the attachments after `start` up to `end`.
  func append(_ other: CBORBuffer, from start: Int, to end: Int) {
    let shift = count - start
    for var attachment in other.attachments where attachment.position > start && attachment.position <= end {
      attachment.position += shift
      attachments.append(attachment)
    }
    append(UnsafeRawBufferPointer(start: other.base + start, count: end - start))
  }
}

// MARK: - The end

extension CBORBuffer {
  /// Appends everything, attachments included, to the caller's buffer, which grows once.
  func appendAll(to output: inout [UInt8]) {
    let total = attachments.reduce(output.count + count) { $0 + $1.byteCount }
    // Reserving exactly what is needed each time would make appending many values quadratic.
    if output.capacity < total { output.reserveCapacity(output.isEmpty ? total : max(total, 2 * output.capacity)) }
    var start = 0
    for attachment in attachments {
      output.append(contentsOf: UnsafeRawBufferPointer(start: base + start, count: attachment.position - start))
      attachment.append(&output)
      start = attachment.position
    }
    output.append(contentsOf: UnsafeRawBufferPointer(start: base + start, count: count - start))
  }
}
