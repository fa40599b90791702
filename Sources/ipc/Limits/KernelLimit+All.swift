import CInterprocess
import Glibc
import Interprocess

extension KernelLimit {
  /// Every limit that this kernel has, with what is used of it.
  static func all() -> [KernelLimit] {
    let queues = MessageQueueUsage()
    return posixQueues(queues) + systemVQueues() + systemVSemaphores() + systemVSegments() + sharedMemory()
      + processLimits(queues) + pipesAndSockets()
  }

  private static func posixQueues(_ queues: MessageQueueUsage) -> [KernelLimit] {
    [
      KernelLimit(
        parameter: "fs.mqueue.queues_max", used: queues.count, "queues on the machine; mq_open: ENOSPC"),
      KernelLimit(
        parameter: "fs.mqueue.msg_max", most: 65536, used: queues.mostMessages,
        "a queue's maximum of messages; mq_open: EINVAL"),
      KernelLimit(
        parameter: "fs.mqueue.msgsize_max", most: 16 << 20, used: queues.largestMessage,
        "bytes of a queue's largest message; mq_open: EINVAL"),
      KernelLimit(
        parameter: "fs.mqueue.msg_default", most: 65536,
        "messages of a queue created without saying how many; mq_send waits, or EAGAIN"),
      KernelLimit(
        parameter: "fs.mqueue.msgsize_default", most: 16 << 20,
        "bytes of the largest message of a queue created without saying; mq_send: EMSGSIZE"),
    ].compactMap(\.self)
  }

  private static func systemVQueues() -> [KernelLimit] {
    let rows = SystemVTable(SystemVTable.queues).rows
    return [
      KernelLimit(parameter: "kernel.msgmax", "bytes of a message; msgsnd: EINVAL"),
      KernelLimit(
        parameter: "kernel.msgmnb", used: rows.map { $0["cbytes"] }.max() ?? 0,
        "bytes in a new queue (used: in the fullest); msgsnd waits, or EAGAIN"),
      KernelLimit(parameter: "kernel.msgmni", most: mostObjects, used: rows.count, "queues; msgget: ENOSPC"),
    ].compactMap(\.self)
  }

  /// How many objects of a kind the kernel has numbers for.
  private static let mostObjects = 32768

  /// `kernel.sem` holds four limits, which are set together.
  private static func systemVSemaphores() -> [KernelLimit] {
    let values = KernelParameter("kernel.sem").values
    guard values.count == 4 else { return [] }
    let rows = SystemVTable(SystemVTable.semaphores).rows
    let counts = rows.map { $0["nsems"] }
    let descriptions: [(name: String, most: Int, used: Int?, effect: String)] = [
      ("SEMMSL", 65536, counts.max() ?? 0, "semaphores in a set (used: in the largest); semget: EINVAL"),
      ("SEMMNS", Int(CInt.max), counts.reduce(0, saturatingSum), "semaphores in all sets; semget: ENOSPC"),
      ("SEMOPM", Int(CInt.max), nil, "operations in one call; semop: E2BIG"),
      ("SEMMNI", mostObjects, rows.count, "sets; semget: ENOSPC"),
    ]
    return zip(values.indices, descriptions).map { index, limit in
      KernelLimit("kernel.sem \(limit.name)", values[index], most: limit.most, used: limit.used, limit.effect) {
        raised in
        var raisedValues = values
        raisedValues[index] = raised
        return "sudo sysctl kernel.sem=\"\(raisedValues.map { String($0) }.joined(separator: " "))\""
      }
    }
  }

  private static func systemVSegments() -> [KernelLimit] {
    let rows = SystemVTable(SystemVTable.segments).rows
    let page = Int(getpagesize())
    // Anybody may have a segment of any size, if nothing is reserved for it.
    let pages = rows.map { $0["size"] / page + ($0["size"] % page == 0 ? 0 : 1) }.reduce(0, saturatingSum)
    return [
      KernelLimit(
        parameter: "kernel.shmmax", used: rows.map { $0["size"] }.max() ?? 0,
        "bytes of a segment (used: of the largest); shmget: EINVAL"),
      KernelLimit(parameter: "kernel.shmall", used: pages, "pages of all segments; shmget: ENOSPC"),
      KernelLimit(parameter: "kernel.shmmni", most: mostObjects, used: rows.count, "segments; shmget: ENOSPC"),
    ].compactMap(\.self)
  }

  private static func sharedMemory() -> [KernelLimit] {
    var status = statvfs()
    let directory = SharedMemoryFile.directory
    guard statvfs(directory, &status) == 0 else { return [] }
    // A file system without a limit says 0.
    let size = bytes(status.f_blocks, status)
    return [
      KernelLimit(
        directory, size == 0 ? nil : size, used: bytes(status.f_blocks &- min(status.f_blocks, status.f_bfree), status),
        "bytes of POSIX shared memory; fallocate: ENOSPC, and SIGBUS for memory not allocated before"
      ) { "sudo mount -o remount,size=\($0) \(directory)" }
    ]
  }

  private static func bytes(_ blocks: UInt, _ status: statvfs) -> Int {
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: status.f_frsize)
    return overflow ? .max : Int(clamping: bytes)
  }

  private static func saturatingSum(_ first: Int, _ second: Int) -> Int {
    let (sum, overflow) = first.addingReportingOverflow(second)
    return overflow ? .max : sum
  }

  private static func processLimits(_ queues: MessageQueueUsage) -> [KernelLimit] {
    [
      KernelLimit(
        "RLIMIT_MSGQUEUE", ResourceLimit.messageQueueBytes.current.map { Int(clamping: $0) }, used: queues.bytesOfUser,
        "bytes of this user's POSIX queues, full or not; mq_open: EMFILE"
      ) { "sudo prlimit --pid $$ --msgqueue=\($0):\($0)" },
      KernelLimit(
        "RLIMIT_NOFILE", ResourceLimit.openFiles.current.map { Int(clamping: $0) }, used: mostDescriptors(),
        "descriptors of a process (used: by this user's busiest); open, socket, pipe, mq_open: EMFILE"
      ) { "sudo prlimit --pid $$ --nofile=\($0):\($0)" },
    ]
  }

  private static func pipesAndSockets() -> [KernelLimit] {
    [
      KernelLimit(parameter: "fs.pipe-max-size", most: 1 << 31, "bytes of a pipe; fcntl F_SETPIPE_SZ: EPERM"),
      KernelLimit(
        parameter: "fs.pipe-user-pages-soft",
        "pages of a user's pipes; new ones hold 2 pages, and fcntl F_SETPIPE_SZ: EPERM"),
      KernelLimit(
        parameter: "net.core.somaxconn", most: Int(CInt.max),
        "connections that wait for accept; listen takes more for as many, and connect waits, or EAGAIN"),
      KernelLimit(
        parameter: "net.unix.max_dgram_qlen", most: Int(CInt.max),
        "datagrams that wait in a Unix socket; send waits, or EAGAIN"),
    ].compactMap(\.self)
  }

  /// How many descriptors that process of this user has which has the most.
  private static func mostDescriptors() -> Int? {
    ProcFile.numbers(in: "/proc").lazy
      .filter { (try? ProcFile.status(of: "/proc/\($0)"))?.st_uid == geteuid() }
      .compactMap { (try? ProcFile.entries(of: "/proc/\($0)/fd"))?.count }
      .max()
  }
}
