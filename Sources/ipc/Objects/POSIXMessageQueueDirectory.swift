import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The directory of all POSIX queues: the root of the mqueue filesystem, which many machines mount nowhere.
struct POSIXMessageQueueDirectory {
  /// The device that queues are on; `nil` where there are no queues, or it cannot be learnt.
  let device: UInt?

  /// Every queue's name, with its slash; `nil` where they cannot be listed.
  let names: [String]?

  init() {
    // A mount of one's own shows the queues that this process can open; one that it finds may be of other queues.
    let mount = ci_detached_mount("mqueue")
    if mount >= 0 {
      let root = OwnedDescriptor(adopting: mount)
      let path = "/proc/self/fd/\(root.rawValue)"
      device = (try? ProcFile.status(of: path)).map { FileIdentity($0).device }
      names = Self.names(in: path)
      return
    }
    let device = Self.deviceOfAQueue()
    self.device = device
    names = device.flatMap { device in
      Self.mountPoints().first { (try? ProcFile.status(of: $0)).map { FileIdentity($0).device } == device }
    }.flatMap(Self.names)
  }

  private static func names(in path: String) -> [String]? {
    (try? ProcFile.entries(of: path))?.map { "/" + $0 }
  }

  /// Learns the device from a queue of its own.
  private static func deviceOfAQueue() -> UInt? {
    let name = "/ipc-ls-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    let queue = try? POSIXMessageQueue(
      creating: name, access: .readOnly, maximumMessages: 1, maximumMessageSize: 1)
    guard let queue else { return nil }
    try? POSIXMessageQueue.unlink(name)
    var status = stat()
    return fstat(queue.descriptor.rawValue, &status) == 0 ? FileIdentity(status).device : nil
  }

  private static func mountPoints() -> [String] {
    let mounts = (try? ProcFile.text(of: "/proc/self/mounts")) ?? ""
    return mounts.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      return fields.count > 2 && fields[2] == "mqueue" ? String(fields[1]) : nil
    }
  }
}
