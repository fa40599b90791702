import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The directory of all POSIX queues: the root of the mqueue filesystem, which many machines mount nowhere.
struct POSIXMessageQueueDirectory {
  /// The device that queues are on; `nil` where there are no queues, or it cannot be learnt.
  let device: UInt?

  /// Whether the kernel has POSIX queues.
  let isSupported: Bool

  /// Every queue's name, with its slash; `nil` where they cannot be listed.
  let names: [String]?

  /// Where the filesystem is mounted, if it is.
  private let mountPoint: String?

  init() {
    // A mount of one's own shows the queues that this process can open; one that it finds may be of other queues.
    let mount = ci_detached_mount("mqueue")
    if mount >= 0 {
      defer { close(mount) }
      let path = "/proc/self/fd/\(mount)"
      device = (try? ProcFile.status(of: path)).map { FileIdentity($0).device }
      names = Self.names(in: path)
      mountPoint = nil
      isSupported = true
      return
    }
    let device = Self.deviceOfAQueue() ?? Self.deviceOfAMount()
    self.device = device
    isSupported = device != nil || Self.kernelHasQueues
    mountPoint = device.flatMap { device in
      Self.mountPoints().first { (try? ProcFile.status(of: $0)).map { FileIdentity($0).device } == device }
    }
    names = mountPoint.flatMap(Self.names)
  }

  /// What the filesystem says of a queue that this user may not open.
  func status(of name: String) -> stat? {
    mountPoint.flatMap { try? ProcFile.status(of: $0 + name) }
  }

  private static func names(in path: String) -> [String]? {
    (try? ProcFile.entries(of: path))?.map { "/" + $0 }
  }

  /// Learns the device from a queue of its own.
  private static func deviceOfAQueue() -> UInt? {
    let name = "/ipc-ls-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    guard (try? POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 1)) != nil else { return nil }
    defer { try? POSIXMessageQueue.unlink(name) }
    guard let queue = try? POSIXMessageQueueFile(opening: name) else { return nil }
    return FileIdentity(queue.status).device
  }

  /// The device of a mounted filesystem that has a queue which this process finds by its name too: for when it may
  /// create none, since `RLIMIT_MSGQUEUE` or `fs.mqueue.queues_max` is used up.
  private static func deviceOfAMount() -> UInt? {
    for path in mountPoints() {
      guard let device = (try? ProcFile.status(of: path)).map({ FileIdentity($0).device }) else { continue }
      if (names(in: path) ?? []).contains(where: { isQueue($0, on: device) }) { return device }
    }
    return nil
  }

  private static func isQueue(_ name: String, on device: UInt) -> Bool {
    do throws(Errno) {
      return FileIdentity(try POSIXMessageQueueFile(opening: name).status).device == device
    } catch {
      // It is there, and this user may not open it.
      return error == .permissionDenied
    }
  }

  private static var kernelHasQueues: Bool {
    do throws(Errno) {
      _ = try POSIXMessageQueueFile.open("/ipc-ls-none")
      return true
    } catch {
      return error != .noFunction
    }
  }

  private static func mountPoints() -> [String] {
    let mounts = (try? ProcFile.text(of: "/proc/self/mounts")) ?? ""
    return mounts.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      return fields.count > 2 && fields[2] == "mqueue" ? String(fields[1]) : nil
    }
  }
}
