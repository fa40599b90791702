import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The objects on the machine, and who holds them: one look at all of it.
struct ObjectListing {
  private(set) var objects: [ListedObject] = []

  /// What this user cannot see, a line each.
  private(set) var notices: [String] = []

  private let selectors: [ObjectSelector]

  /// - Parameter selectors: what to list; everything when empty.
  init(_ selectors: [ObjectSelector] = []) {
    self.selectors = selectors
    let kinds = selectors.isEmpty ? Set(ObjectKind.listed) : Set(selectors.map(\.kind))
    let sources = Sources(kinds)
    let processes = ProcessTable(lookingFor: sources.search)

    addMessageQueues(sources, processes)
    addSharedMemoryFiles(kinds, processes)
    objects += sources.queueTable.map { ListedObject(queue: $0, processes) }
    objects += sources.segmentTable.map { ListedObject(segment: $0, processes) }
    objects += sources.semaphoreTable.map { ListedObject(semaphoreSet: $0, processes) }
    addSockets(sources.sockets, processes)
    if !selectors.isEmpty {
      let addresses = selectors.map { $0.address.map(resolve).map(ObjectSelector.address) ?? $0 }
      objects.removeAll { object in !addresses.contains { object.isMeant(by: $0) } }
    }
    sort()
    if !objects.isEmpty { noticeClosedProcesses(processes) }
  }

  /// The object that an address means; `nil` when there is none.
  func object(at address: ObjectAddress) -> ListedObject? {
    let address = resolve(address)
    return objects.first { $0.isMeant(by: address) }
  }

  /// The addresses asked for that mean no object.
  var missing: [ObjectAddress] {
    selectors.compactMap(\.address).filter { object(at: $0) == nil }
  }

  /// What has to be known before the processes are looked at.
  private struct Sources {
    var queues: POSIXMessageQueueDirectory?
    var queueTable: [SystemVTable.Row] = []
    var segmentTable: [SystemVTable.Row] = []
    var semaphoreTable: [SystemVTable.Row] = []
    var sockets: [UnixSocketEntry] = []
    var search = ProcessTable.Search()

    init(_ kinds: Set<ObjectKind>) {
      if kinds.contains(.posixMessageQueue) {
        let directory = POSIXMessageQueueDirectory()
        queues = directory
        search.queueDevice = directory.device
        if let device = directory.device { search.devices.insert(device) }
      }
      if !kinds.isDisjoint(with: [.posixSharedMemory, .posixSemaphore]),
        let status = try? ProcFile.status(of: SharedMemoryFile.directory)
      {
        search.devices.insert(FileIdentity(status).device)
      }
      if kinds.contains(.systemVMessageQueue) { queueTable = SystemVTable(SystemVTable.queues).rows }
      if kinds.contains(.systemVSharedMemory) { segmentTable = SystemVTable(SystemVTable.segments).rows }
      if kinds.contains(.systemVSemaphore) { semaphoreTable = SystemVTable(SystemVTable.semaphores).rows }
      if kinds.contains(.unixSocket) { sockets = UnixSocketEntry.all() }
      search.segments = !segmentTable.isEmpty
      search.waits = !queueTable.isEmpty || !semaphoreTable.isEmpty
      search.sockets = Set(sockets.map(\.inode))
    }
  }

  private mutating func addMessageQueues(_ sources: Sources, _ processes: ProcessTable) {
    guard let directory = sources.queues else { return }
    // A queue asked for by name is found by it, listed or not.
    let asked = selectors.compactMap(\.address).compactMap(\.posixMessageQueueName)
    for name in Set(directory.names ?? Array(processes.queues.keys)).union(asked) {
      var queue = ListedObject(.posixMessageQueue, .name(name))
      do throws(Errno) {
        let file = try POSIXMessageQueueFile(opening: name)
        queue.describe(by: file.status)
        queue.bytes = file.bytes
        queue.messages = file.messages
      } catch {
        if error == .noSuchFileOrDirectory { continue }
        // This user may not open it; where it is mounted, or who has it open, shows it all the same.
        let status = directory.status(of: name) ?? processes.queues[name].flatMap { try? ProcFile.status(of: $0) }
        if let status { queue.describe(by: status) }
      }
      let seen = queue.identity.flatMap { processes.files[$0] } ?? []
      queue.holders = ObjectHolders(seen: seen, isComplete: processes.isComplete) { () throws(Errno) in
        try POSIXMessageQueueFile.open(name)
      }
      objects.append(queue)
    }
    noticeGarbled(directory.names ?? [], "message queues")
    let wantsAll = selectors.isEmpty || selectors.contains(.kind(.posixMessageQueue))
    if wantsAll, directory.names == nil, directory.isSupported {
      notices.append(
        "POSIX message queues that no process of this user has open cannot be seen: only root may list them where no "
          + "mqueue filesystem is mounted; see them with sudo, or mount one: sudo mkdir -p /dev/mqueue && sudo mount "
          + "-t mqueue none /dev/mqueue")
    }
  }

  private mutating func addSharedMemoryFiles(_ kinds: Set<ObjectKind>, _ processes: ProcessTable) {
    guard !kinds.isDisjoint(with: [.posixSharedMemory, .posixSemaphore]) else { return }
    do throws(Errno) {
      let entries = try ProcFile.entries(of: SharedMemoryFile.directory)
      noticeGarbled(entries, "memory and semaphores")
      for file in entries.compactMap(SharedMemoryFile.init(entry:)) where kinds.contains(file.kind) {
        var object = ListedObject(file.kind, .name(file.name))
        object.describe(by: file.status)
        object.bytes = Int(file.status.st_size)
        let seen = object.identity.flatMap { processes.files[$0] } ?? []
        object.holders = ObjectHolders(seen: seen, isComplete: processes.isComplete) { () throws(Errno) in
          try SharedMemoryFile.open(file.kind, file.name)
        }
        objects.append(object)
      }
    } catch {
      notices.append("POSIX shared memory and semaphores cannot be seen: \(SharedMemoryFile.directory): \(error)")
    }
  }

  /// - Parameter names: as they were read: Swift puts U+FFFD for what is no UTF-8, which is another name.
  private mutating func noticeGarbled(_ names: some Sequence<String>, _ what: String) {
    let count = names.count { $0.contains("\u{FFFD}") }
    if count > 0 { notices.append("\(count) POSIX \(what) whose names are not UTF-8 are not shown") }
  }

  private mutating func addSockets(_ sockets: [UnixSocketEntry], _ processes: ProcessTable) {
    objects += sockets.filter(\.isListening).map { ListedObject($0, processes) }
    for path in Set(selectors.compactMap(\.address).compactMap(\.socketPath)) {
      guard let status = SocketFile.status(of: path), objects.first(at: status) == nil else { continue }
      // A path asked for whose server is gone, or has not begun to listen; or a client has it, or a connection that a
      // server accepted there: they go by its name, and nobody connects to them.
      var object = ListedObject(.unixSocket, .name(path))
      object.describe(by: status)
      let bound = sockets.map { ListedObject($0, processes) }
      object.holders = bound.first(at: status)?.holders ?? SocketFile.holders(at: path)
      objects.append(object)
    }
  }

  /// A socket's path may have been bound under another spelling: it is told by its file.
  private func resolve(_ address: ObjectAddress) -> ObjectAddress {
    guard let path = address.socketPath else { return address }
    if let status = SocketFile.status(of: path), let object = objects.first(at: status) { return object.address }
    return ObjectAddress(kind: .unixSocket, place: .name(path))
  }

  private mutating func sort() {
    let order = Dictionary(uniqueKeysWithValues: zip(ObjectKind.allCases, 0...))
    objects.sort { (order[$0.kind] ?? 0, $0.address.description) < (order[$1.kind] ?? 0, $1.address.description) }
  }

  private mutating func noticeClosedProcesses(_ processes: ProcessTable) {
    // Even root may be shut out, by a container's or a security module's rules.
    let remedy = geteuid() == 0 ? "" : "; see them with sudo"
    if processes.isOfContainer {
      notices.append("processes outside this container cannot be seen: holders may be missing")
    }
    if processes.hidesProcesses {
      notices.append("other users' processes are hidden (hidepid): holders may be missing\(remedy)")
    } else if !processes.closedProcesses.isEmpty {
      let count = processes.closedProcesses.count
      let which = count == 1 ? "process \(processes.closedProcesses[0])" : "\(count) processes"
      notices.append("what \(which) may hold cannot be seen: holders may be missing\(remedy)")
    }
  }
}

extension [ListedObject] {
  fileprivate func first(at status: stat) -> ListedObject? {
    first { $0.identity == FileIdentity(status) }
  }
}

extension ObjectAddress {
  fileprivate var posixMessageQueueName: String? {
    if kind == .posixMessageQueue, case .name(let name) = place { name } else { nil }
  }

  /// A socket's path from the root, where the address has one.
  fileprivate var socketPath: String? {
    guard kind == .unixSocket, case .name(let name) = place, !name.hasPrefix("@") else { return nil }
    if name.hasPrefix("/") { return name }
    guard let here = try? ProcFile.target(of: "/proc/self/cwd") else { return nil }
    return FilePath(here).pushing(FilePath(name)).lexicallyNormalized().string
  }
}
