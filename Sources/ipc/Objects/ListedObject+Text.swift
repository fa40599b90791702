import CInterprocess
import Glibc
import Interprocess

extension ListedObject {
  /// One line of JSON.
  var json: String {
    var line = JSONLine()
    line.add("kind", kind.rawValue)
    switch label {
    case .name(let name): line.add("name", name)
    case .systemV(let key, let id):
      line.add("key", key?.description ?? Self.privateKey)
      line.add("id", Int(id))
    }
    line.add("owner", owner.map(Self.userName))
    line.add("mode", modeText)
    line.add("bytes", bytes)
    line.add("messages", messages)
    line.add("holders", holders.areKnown ? holders.ids : nil)
    line.add("stale", holders.isStale)
    line.add("modified", modified)
    return line.description
  }

  /// A private object's key, IPC_PRIVATE.
  private static let privateKey = "0x00000000"

  /// Lines for people, the first one with headings.
  static func table(of objects: [ListedObject]) -> [String] {
    var table = TextTable([
      "kind": .left, "name": .left, "owner": .left, "mode": .left, "bytes": .right, "messages": .right, "age": .right,
      "held by": .left,
    ])
    let now = time(nil)
    for object in objects {
      table.add([
        object.kind.rawValue, object.labelText, object.owner.map(userName)?.printable ?? "-", object.modeText ?? "-",
        object.bytes.map(\.grouped) ?? "-", object.messages.map(\.grouped) ?? "-",
        object.modified.map { age(now - $0) } ?? "-", object.holders.text,
      ])
    }
    return table.lines
  }

  private var labelText: String {
    switch label {
    case .name(let name): name.printable
    case .systemV(let key?, let id): "\(key) id=\(id)"
    case .systemV(nil, let id): "id=\(id)"
    }
  }

  private var modeText: String? { mode.map { formatted("%04o", $0) } }

  /// A user's name, or the number where it has none.
  private static func userName(_ id: uid_t) -> String {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var storage = [CChar](repeating: 0, count: 16384)
    guard getpwuid_r(id, &entry, &storage, storage.count, &found) == 0, found != nil, let name = entry.pw_name else {
      return String(id)
    }
    return String(cString: name)
  }

  /// A length of time in its largest unit: `5 min`.
  static func age(_ seconds: Int) -> String {
    switch seconds {
    case ..<60: "\(max(0, seconds)) s"
    case ..<3600: "\(seconds / 60) min"
    case ..<86400: "\(seconds / 3600) h"
    default: "\((seconds / 86400).grouped) d"
    }
  }
}

extension ObjectHolders {
  /// `314 python3, 315 sleep`, or `stale`.
  var text: String {
    switch self {
    case .processes(let ids):
      // A line has room for some; JSON has them all.
      let shown = ids.prefix(3).map { id in "\(id) \(id.processName ?? "(ended)")" }
      return shown.joined(separator: ", ") + (ids.count > 3 ? " and \(ids.count - 3) more" : "")
    case .nobody: return "stale"
    case .unseen: return "not seen"
    case .unrecorded: return "-"
    }
  }
}
