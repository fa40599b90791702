import ArgumentParser
import CInterprocess
import Glibc
import Interprocess

/// Which object is meant: `KIND:NAME`, and for System V `KIND:KEY` or `KIND:id=N`.
struct ObjectAddress: Hashable {
  enum Place: Hashable {
    /// A POSIX name with its slash, a path, or `@` and a socket's abstract name.
    case name(String)
    case key(SystemVKey)
    /// The kernel's number of a System V object.
    case id(CInt)
  }

  let kind: ObjectKind
  let place: Place

  /// What the address forms are, for help texts.
  static let forms = """
    An ADDRESS is KIND:NAME, as in posix-message-queue:/jobs or unix-socket:/run/app.sock (an abstract socket: \
    unix-socket:@app). A System V object has a key and a number: system-v-message-queue:0x70690001 or \
    system-v-message-queue:id=3.
    """

  init(kind: ObjectKind, place: Place) {
    self.kind = kind
    self.place = place
  }

  /// - Throws: an error that says what an address looks like.
  init(parsing text: String) throws {
    guard let colon = text.firstIndex(of: ":") else {
      // A kind alone is a known word in the wrong place; anything else may be a kind misspelt.
      let kind = try ObjectKind(named: text)
      throw ValidationError("\(text): say which one, as in \(kind.exampleAddress)")
    }
    kind = try ObjectKind(named: String(text[..<colon]))
    let rest = String(text[text.index(after: colon)...])
    do {
      place = kind.isSystemV ? try Self.systemVPlace(rest) : .name(try Self.name(rest, of: kind))
    } catch let problem as Problem {
      throw ValidationError("\(text.quoted): \(problem.description)")
    }
  }

  private struct Problem: Error {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private static func systemVPlace(_ text: String) throws -> Place {
    if text.hasPrefix("id=") {
      guard let id = CInt(text.dropFirst(3)), id >= 0 else { throw Problem("id= takes a number from 0 to \(CInt.max)") }
      return .id(id)
    }
    guard text.hasPrefix("0x") || text.hasPrefix("0X") else {
      throw Problem("give its key in hexadecimal, as in 0x70690001, or its number, as in id=3")
    }
    guard let number = UInt32(text.dropFirst(2), radix: 16) else {
      throw Problem("a key is 0x and up to 8 hexadecimal digits")
    }
    guard let key = SystemVKey(exactly: number) else {
      throw Problem("key 0 means private, and there may be many such; use id=N, ipc ls shows the numbers")
    }
    return .key(key)
  }

  private static func name(_ text: String, of kind: ObjectKind) throws -> String {
    if text.isEmpty { throw Problem("a name has to follow the colon, as in \(kind.exampleAddress)") }
    guard kind.isPOSIX else { return text }
    guard text.hasPrefix("/") else { throw Problem("a name begins with a slash: \(kind.rawValue):/\(text)") }
    // NAME_MAX; glibc stores semaphores as "sem." and the name.
    let most = kind == .posixSemaphore ? 251 : 255
    guard (2...most + 1).contains(text.utf8.count), !text.dropFirst().contains("/"), text != "/.", text != "/.." else {
      throw Problem("a name is one slash and 1 to \(most) bytes without a slash")
    }
    return text
  }
}

extension ObjectAddress: CustomStringConvertible {
  var description: String {
    switch place {
    case .name(let name): "\(kind.rawValue):\(name)"
    case .key(let key): "\(kind.rawValue):\(key)"
    case .id(let id): "\(kind.rawValue):id=\(id)"
    }
  }
}

extension ObjectKind {
  fileprivate var exampleAddress: String {
    if isSystemV { return "\(rawValue):0x70690001 or \(rawValue):id=3" }
    return isPOSIX ? "\(rawValue):/jobs" : "\(rawValue):/run/jobs"
  }
}
