/// What a pool's status page says, for who reads it from outside.
package struct PoolStatus: Sendable {
  package struct Worker: Sendable {
    package let process: Int32
    package let state: String
    /// The call it runs; `nil` while it has none.
    package let call: String?
    /// When that began, in nanoseconds of CLOCK_MONOTONIC.
    package let began: UInt64
    package let callsDone: UInt64
    /// How many workers have died in this one's place.
    package let crashes: UInt64
  }

  /// What the page's memory is called in `/proc/PID/fd`.
  package static let fileName = "/memfd:\(StatusPage.label)"

  /// The process that has the pool.
  package let process: Int32
  package let workers: [Worker]
  /// How many of its workers have died of themselves so far.
  package let crashes: UInt64

  /// - Returns: `nil` when these bytes are no status page.
  package init?(_ page: [UInt8]) {
    func word(_ offset: Int) -> UInt64 {
      page.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
    }
    let atLeast = StatusPage.Field.name.rawValue + StatusPage.nameSize
    guard page.count >= atLeast, word(0) == StatusPage.mark.littleEndian else { return nil }
    process = Int32(truncatingIfNeeded: word(8))
    crashes = word(StatusPage.crashesOffset)
    let slots = Int(clamping: word(16))
    let size = Int(clamping: word(StatusPage.slotSizeOffset))
    guard size >= atLeast, slots < page.count / size else { return nil }
    workers = (0..<slots).compactMap { slot in
      let start = (1 + slot) * size
      func field(_ field: StatusPage.Field) -> UInt64 { word(start + field.rawValue) }
      guard let state = StatusPage.State(rawValue: field(.state)), state != .absent else { return nil }
      let name = page[(start + StatusPage.Field.name.rawValue)...].prefix(StatusPage.nameSize).prefix { $0 != 0 }
      return Worker(
        process: state == .starting ? 0 : Int32(truncatingIfNeeded: field(.process)), state: "\(state)",
        call: state == .busy ? String(decoding: name, as: UTF8.self) : nil, began: field(.began),
        callsDone: field(.callsDone), crashes: field(.crashes))
    }
  }
}
