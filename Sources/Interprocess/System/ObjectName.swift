import SystemPackage

/// The name of a POSIX queue, semaphore or shared memory: one slash and up to 250 bytes without another.
struct ObjectName {
  let string: String

  /// - Throws: `Errno.invalidArgument` for a name that the C function would misread: glibc drops leading slashes from
  ///   some kinds and not from others, and a NUL would cut the name short.
  init(checking name: String, for call: StaticString) throws(InterprocessError) {
    let bytes = name.utf8
    // NAME_MAX is 255, and semaphores are stored as "sem." and the name.
    let isValid =
      bytes.first == UInt8(ascii: "/") && (2...251).contains(bytes.count)
      && !bytes.dropFirst().contains { $0 == UInt8(ascii: "/") || $0 == 0 } && name != "/." && name != "/.."
    guard isValid else {
      throw .refused(call, "\"\(name)\"", "a name is one slash and 1 to 250 bytes without a slash, like \"/jobs\"")
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
