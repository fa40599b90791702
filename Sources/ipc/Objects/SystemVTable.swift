import Interprocess

/// One of the kernel's lists of System V objects: `/proc/sysvipc/msg`, `sem` or `shm`.
struct SystemVTable {
  /// An object's line: a word under each heading.
  struct Row {
    fileprivate let fields: [Substring: Substring]

    /// The number under a heading; 0 where there is none.
    subscript(heading: Substring) -> Int { fields[heading].flatMap { Int($0) } ?? 0 }

    var key: SystemVKey? { SystemVKey(exactly: self["key"]) }
    var permissions: UInt32 { fields["perms"].flatMap { UInt32($0, radix: 8) } ?? 0 }
  }

  let rows: [Row]

  static let queues = "msg"
  static let semaphores = "sem"
  static let segments = "shm"

  /// - Parameter name: ``queues``, ``semaphores`` or ``segments``.
  init(_ name: String) {
    // A kernel without System V IPC has no such file.
    self.init(parsing: (try? ProcFile.text(of: "/proc/sysvipc/\(name)")) ?? "")
  }

  init(parsing text: String) {
    let lines = text.split(separator: "\n")
    let headings = lines.first?.split(separator: " ") ?? []
    rows = lines.dropFirst().compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == headings.count else { return nil }
      return Row(fields: Dictionary(zip(headings, words), uniquingKeysWith: { first, _ in first }))
    }
  }
}
