import CInterprocess
import Glibc
import Interprocess

extension ListedObject {
  /// A queue. Nobody has it open: its holders are the processes that sent and received last, while they live, and those
  /// that wait on it now.
  init(queue row: SystemVTable.Row, _ processes: ProcessTable) {
    let id = CInt(truncatingIfNeeded: row["msqid"])
    self.init(.systemVMessageQueue, row, id)
    bytes = row["cbytes"]
    messages = row["qnum"]
    modified = max(row["stime"], row["rtime"], row["ctime"])
    let recorded = [row["lspid"], row["lrpid"]].map { CInt(truncatingIfNeeded: $0) }
    holders = Self.users(recorded: recorded, waiting: processes.queueWaits[id], processes)
    // The kernel does not tell whether anybody waits, as it does of semaphores.
    if holders == .nobody, !processes.seesAllWaits { holders = .unseen }
  }

  /// A semaphore set. Nobody has it open: its holders are the processes that operated on it last, while they live, and
  /// those that wait on it now.
  init(semaphoreSet row: SystemVTable.Row, _ processes: ProcessTable) {
    let id = CInt(truncatingIfNeeded: row["semid"])
    self.init(.systemVSemaphore, row, id)
    modified = max(row["otime"], row["ctime"])
    var recorded: [CInt] = []
    for index in 0..<CInt(clamping: row["nsems"]) {
      let last = ci_semctl_value(id, index, GETPID, 0)
      // Another user's set may be closed to this one, which then knows nothing; or the set has gone.
      if last == -1 {
        holders = ObjectHolders(processes.semaphoreWaits[id] ?? [], otherwise: .unseen)
        return
      }
      recorded.append(last)
    }
    holders = Self.users(recorded: recorded, waiting: processes.semaphoreWaits[id], processes)
    if holders == .nobody, Self.isWaitedFor(id, row["nsems"]) { holders = .unseen }
  }

  /// A segment. The kernel counts how often it is attached; who did so is in the processes' maps.
  init(segment row: SystemVTable.Row, _ processes: ProcessTable) {
    let id = CInt(truncatingIfNeeded: row["shmid"])
    self.init(.systemVSharedMemory, row, id)
    bytes = row["size"]
    modified = max(row["atime"], row["dtime"], row["ctime"])
    // A process of another container may have one of the same number attached.
    holders = row["nattch"] == 0 ? .nobody : ObjectHolders(processes.segments[id] ?? [], otherwise: .unseen)
  }

  private init(_ kind: ObjectKind, _ row: SystemVTable.Row, _ id: CInt) {
    self.init(kind, .systemV(row.key, id: id))
    owner = uid_t(truncatingIfNeeded: row["uid"])
    mode = row.permissions & 0o777
  }

  /// - Parameter recorded: the processes that the kernel noted; 0 where it noted none.
  private static func users(
    recorded: [CInt], waiting: Set<CInt>?, _ processes: ProcessTable
  ) -> ObjectHolders {
    let noted = Set(recorded.filter { $0 > 0 })
    // One that was never used may be of a process that is about to. A process outside this container has the number 0.
    let otherwise: ObjectHolders = processes.isOfContainer ? .unseen : noted.isEmpty ? .unrecorded : .nobody
    return ObjectHolders(noted.filter(\.isLiveProcess).union(waiting ?? []), otherwise: otherwise)
  }

  /// Whether a process that this user cannot see waits on the set.
  private static func isWaitedFor(_ id: CInt, _ count: Int) -> Bool {
    (0..<CInt(clamping: count)).contains { index in
      ci_semctl_value(id, index, GETNCNT, 0) > 0 || ci_semctl_value(id, index, GETZCNT, 0) > 0
    }
  }
}
