import Glibc

extension ChannelObjects {
  /// What can be seen, without reading it, of what the pool has sent.
  struct Arrivals {
    private let streams: [CInt]
    private let rings = RingMemory()
    private let queue: CInt?

    init() {
      streams = ChannelObjects.descriptors.filter { descriptor in
        var status = stat()
        fstat(descriptor, &status)
        return [S_IFSOCK, S_IFIFO].contains(status.st_mode & S_IFMT) || ChannelObjects.isQueue(descriptor)
      }
      let threads = Set(names(in: "/proc/self/task").compactMap { CInt($0) })
      queue = QueueEntry.all.first { threads.contains($0.lastReceiver) }?.id
    }

    /// Changes when something comes where there was nothing.
    var now: [UInt64] {
      var entries = streams.map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
      poll(&entries, nfds_t(entries.count), 0)
      let messages = queue.flatMap { id in QueueEntry.all.first { $0.id == id }?.messages }
      return entries.map { UInt64($0.revents & CShort(POLLIN)) } + [rings?.received ?? 0, UInt64(messages ?? 0)]
    }
  }
}
