import CInterprocess
import Glibc
import SystemPackage

/// What the processes hold, as far as `/proc` lets this user see: one look at each of them.
///
/// This process is left out: what it has open it lets go in a moment.
struct ProcessTable {
  /// What to look for: looking at everything takes long where processes are many.
  struct Search {
    /// Files on these devices, open or mapped.
    var devices: Set<UInt> = []
    /// Sockets with these inodes.
    var sockets: Set<UInt> = []
    /// The device of the POSIX queues, whose names are noted.
    var queueDevice: UInt?
    /// Whether to look for System V segments, and for threads that wait in System V calls.
    var segments = false
    var waits = false

    fileprivate var descriptors: Bool { !devices.isEmpty || !sockets.isEmpty }
    fileprivate var mappings: Bool { !devices.isEmpty || segments }
  }

  private(set) var files: [FileIdentity: Set<CInt>] = [:]
  private(set) var sockets: [UInt: Set<CInt>] = [:]
  private(set) var segments: [CInt: Set<CInt>] = [:]
  private(set) var queueWaits: [CInt: Set<CInt>] = [:]
  private(set) var semaphoreWaits: [CInt: Set<CInt>] = [:]

  /// POSIX queues that somebody has open, and a descriptor of each as a path.
  private(set) var queues: [String: String] = [:]

  /// Who opened a socket, by its inode.
  private(set) var socketOwners: [UInt: uid_t] = [:]

  /// The processes that this user may not look into.
  private(set) var closedProcesses: [CInt] = []

  /// Whether `/proc` leaves out other users' processes altogether (its mount option hidepid).
  private(set) var hidesProcesses = false

  /// Whether there may be processes that `/proc` knows nothing of: it shows those of a container, whose objects another
  /// one may share.
  let isOfContainer: Bool

  var isComplete: Bool { closedProcesses.isEmpty && !hidesProcesses && !isOfContainer }

  /// Whether everybody who waits in a System V call was found; a kernel may show no process's call.
  var seesAllWaits: Bool { isComplete && access("/proc/self/syscall", R_OK) == 0 }

  private let search: Search

  private static let wholeMachine = "pid:[4026531836]"  // PROC_PID_INIT_INO

  /// - Parameter namespace: which processes there are; `nil` where the kernel does not tell.
  init(lookingFor search: Search, namespace: String? = try? ProcFile.target(of: "/proc/self/ns/pid")) {
    self.search = search
    isOfContainer = namespace != Self.wholeMachine
    guard search.descriptors || search.mappings || search.waits else { return }
    let processes = ProcFile.numbers(in: "/proc")
    // The first process is there as long as the machine, or the container, is.
    hidesProcesses = !processes.contains(1)
    for process in processes where process != getpid() {
      do throws(Errno) {
        try look(into: process)
      } catch {
        // It has ended meanwhile, or keeps its affairs to itself.
        guard error == .permissionDenied || error == .notPermitted else { continue }
        if let status = try? ProcessStatus(of: process), status.canHoldObjects { closedProcesses.append(process) }
      }
    }
  }

  private mutating func look(into process: CInt) throws(Errno) {
    var folder = "/proc/\(process)"
    if search.mappings {
      var maps = try ProcFile.bytes(of: "\(folder)/maps")
      // A kernel thread has no memory, nor has a first thread that has ended: another one may have.
      if maps.isEmpty, let other = ProcFile.numbers(in: "\(folder)/task").first(where: { $0 != process }) {
        folder += "/task/\(other)"
        maps = try ProcFile.bytes(of: "\(folder)/maps")
      }
      note(maps, of: process)
    }
    if search.descriptors { try noteDescriptors(in: "\(folder)/fd", of: process) }
    if search.waits { try noteWaits(of: process) }
  }

  private mutating func note(_ maps: [UInt8], of process: CInt) {
    for mapping in MappingLines(maps) {
      if let segment = mapping.segment {
        segments[segment, default: []].insert(process)
      } else if search.devices.contains(mapping.file.device) {
        files[mapping.file, default: []].insert(process)
      }
    }
  }

  private mutating func noteDescriptors(in folder: String, of process: CInt) throws(Errno) {
    for name in try ProcFile.entries(of: folder) {
      let path = "\(folder)/\(name)"
      do throws(Errno) {
        let target = try ProcFile.target(of: path)
        if target.hasPrefix("/") {
          if !search.devices.isEmpty { noteFile(at: path, called: target, try ProcFile.status(of: path), of: process) }
        } else if target.hasPrefix("socket:["), let inode = UInt(target.dropFirst(8).dropLast()),
          search.sockets.contains(inode)
        {
          sockets[inode, default: []].insert(process)
          socketOwners[inode] = try ProcFile.status(of: path).st_uid
        }
      } catch {
        // Closed meanwhile, or of a file system that does not answer: none that is looked for.
      }
    }
  }

  private mutating func noteFile(at path: String, called name: String, _ status: stat, of process: CInt) {
    let identity = FileIdentity(status)
    guard search.devices.contains(identity.device) else { return }
    files[identity, default: []].insert(process)
    // A queue that was unlinked has no name; its link's target says " (deleted)".
    if identity.device == search.queueDevice, status.st_nlink > 0 { queues[name] = path }
  }

  private mutating func noteWaits(of process: CInt) throws(Errno) {
    for thread in ProcFile.numbers(in: "/proc/\(process)/task") {
      do throws(Errno) {
        note(systemCall: try ProcFile.text(of: "/proc/\(process)/task/\(thread)/syscall"), of: process)
      } catch  where error == .noSuchFileOrDirectory || error == .noSuchProcess {
        // The thread has ended meanwhile.
      }
    }
  }

  /// - Parameter line: a blocked system call's number, and its arguments; another word where the thread runs.
  private mutating func note(systemCall line: String, of process: CInt) {
    let fields = line.split(separator: " ", maxSplits: 2)
    guard fields.count > 2, let number = Int(fields[0]),
      let id = UInt64(fields[1].dropFirst(2), radix: 16).map(CInt.init(truncatingIfNeeded:))
    else { return }
    if ci_waits_on_system_v_queue(number) { queueWaits[id, default: []].insert(process) }
    if ci_waits_on_system_v_semaphore(number) { semaphoreWaits[id, default: []].insert(process) }
  }
}
