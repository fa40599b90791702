import CInterprocess
import Glibc
import SystemPackage

/// What systemd-logind does when a user's last session ends: with RemoveIPC it removes all that the user has.
struct LogoutCleanup {
  /// Whether it removes the objects of regular users. It does unless told otherwise.
  let isOn: Bool

  /// - Parameter root: where `etc`, `run` and `usr` are.
  init(root: FilePath = "/") {
    let files = Self.mainFile(in: root) + Self.dropIns(in: root)
    isOn = files.compactMap { try? ProcFile.text(of: $0) }.compactMap(Self.setting).last ?? true
  }

  /// Where the files are; what comes later has precedence.
  private static let folders = ["usr/lib", "usr/local/lib", "run", "etc"]

  private static func mainFile(in root: FilePath) -> [String] {
    folders.reversed().map { root.appending("\($0)/systemd/logind.conf").string }.first { access($0, R_OK) == 0 }
      .map { [$0] } ?? []
  }

  /// A file hides one of the same name in another folder; they are read by name, and the last word counts.
  private static func dropIns(in root: FilePath) -> [String] {
    var paths: [String: String] = [:]
    for folder in folders.map({ root.appending("\($0)/systemd/logind.conf.d") }) {
      for name in (try? ProcFile.entries(of: folder.string)) ?? [] where name.hasSuffix(".conf") {
        paths[name] = folder.appending(name).string
      }
    }
    return paths.sorted { $0.key < $1.key }.map(\.value)
  }

  /// The last setting of RemoveIPC in a file's section `[Login]`.
  static func setting(in text: String) -> Bool? {
    var section = ""
    var setting: Bool?
    for line in text.split(whereSeparator: \.isNewline).map(trimmed) {
      if line.hasPrefix("[") { section = line }
      guard section == "[Login]", !line.hasPrefix("#"), !line.hasPrefix(";"), let equals = line.firstIndex(of: "="),
        trimmed(line[..<equals]) == "RemoveIPC"
      else { continue }
      switch trimmed(line[line.index(after: equals)...]).lowercased() {
      case "yes", "y", "true", "t", "on", "1": setting = true
      case "no", "n", "false", "f", "off", "0": setting = false
      default: break
      }
    }
    return setting
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    let start = text.drop { $0.isWhitespace }
    return String(start.reversed().drop { $0.isWhitespace }.reversed())
  }

  /// Whether systemd-logind runs on this machine.
  static var isRunning: Bool {
    ProcFile.numbers(in: "/proc").contains { $0.processName == "systemd-logind" }
  }

  /// One line about what would be removed; `nil` where nothing would.
  static func warning() -> String? {
    guard isRunning, LogoutCleanup().isOn else { return nil }
    let kinds = ObjectKind.listed.filter { $0 != .unixSocket }
    let objects = ObjectListing(kinds.map(ObjectSelector.kind)).objects
    let count = objects.count { $0.owner.map { $0 >= firstRegularUser } ?? false }
    return "warning: systemd-logind removes a regular user's queues, semaphores and shared memory at logout, in use or "
      + "not (there are \(count.grouped) now); to keep them set RemoveIPC=no in /etc/systemd/logind.conf and restart it"
  }

  /// Users below are the system's own, which logind leaves alone.
  private static let firstRegularUser: uid_t = 1000
}
