import SystemPackage

/// The name of a POSIX queue, semaphore or shared memory: one slash and up to 255 bytes without another, 251 for a
/// semaphore.
struct ObjectName {
  let string: String

  /// NAME_MAX.
  static let most = 255
  /// glibc stores semaphores as `sem.` and the name.
  static let mostForSemaphores = 251

  /// - Throws: `Errno.invalidArgument` for a name that the C function would misread: glibc drops leading slashes from
  ///   some kinds and not from others, and a NUL would cut the name short.
  init(checking name: String, for call: StaticString, most: Int = Self.most) throws(InterprocessError) {
    let bytes = name.utf8
    let isValid =
      bytes.first == UInt8(ascii: "/") && (1...most).contains(bytes.count - 1)
      && !bytes.dropFirst().contains { $0 == UInt8(ascii: "/") || $0 == 0 } && name != "/." && name != "/.."
    guard isValid else {
      throw .refused(call, "\"\(name)\"", "a name is one slash and 1 to \(most) bytes without a slash, like \"/jobs\"")
    }
    string = name
  }

  var quoted: String { "\"\(string)\"" }
}

/// What to do about the reasons that opening a named object commonly fails for.
func namingRemedy(for reason: Errno, kind: String) -> String? {
  switch reason {
  case .fileExists: "this \(kind) exists already; open it, or unlink it first"
  case .noSuchFileOrDirectory: "there is no such \(kind); its creator has to come first"
  case .permissionDenied: "its owner and permissions do not let this user in"
  default: nil
  }
}

/// ``namingRemedy(for:kind:)`` for one kind, as ``systemCall(_:_:remedy:_:)`` takes it.
func naming(_ kind: StaticString) -> (Errno) -> String? {
  { namingRemedy(for: $0, kind: "\(kind)") }
}
