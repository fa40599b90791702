import CInterprocess
import Glibc
import SystemPackage

/// What `/proc/PID/stat` says of a process, to any user.
struct ProcessStatus {
  private let state: Character
  private let threads: Int
  private let flags: UInt

  /// - Throws: `Errno.noSuchFileOrDirectory` when there is no such process, or `/proc` hides it.
  init(of process: CInt) throws(Errno) {
    try self.init(parsing: ProcFile.text(of: "/proc/\(process)/stat"))
  }

  init(parsing line: String) throws(Errno) {
    // The second field is the program's name in parentheses, with any spaces and parentheses of its own.
    guard let end = line.lastIndex(of: ")") else { throw .invalidArgument }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 17, let state = fields[0].first, let flags = UInt(fields[6]), let threads = Int(fields[17])
    else { throw .invalidArgument }
    (self.state, self.flags, self.threads) = (state, flags, threads)
  }

  /// Whether nothing of it runs any more. A first thread that has ended is a zombie too, while others go on.
  var isZombie: Bool { (state == "Z" || state == "X") && threads <= 1 }

  /// Whether it can hold anything: zombies and the kernel's own threads cannot.
  var canHoldObjects: Bool { !isZombie && flags & Self.kernelThread == 0 }

  private static let kernelThread: UInt = 0x0020_0000  // PF_KTHREAD
}

extension CInt {
  /// Whether a process of this number is there, and more than a zombie.
  var isLiveProcess: Bool {
    guard self > 0 else { return false }
    if let status = try? ProcessStatus(of: self) { return !status.isZombie }
    // /proc may hide other users' processes; kill tells them from none.
    return kill(self, 0) == 0 || errno == EPERM
  }

  /// The program's name, where this is a process.
  var processName: String? {
    guard let name = try? ProcFile.text(of: "/proc/\(self)/comm") else { return nil }
    return String(name.prefix { $0 != "\n" }).printable
  }
}
