import Synchronization
import SystemPackage

/// How large the queues of channels are made: RLIMIT_MSGQUEUE, which counts all queues of a user in every process, is 800
/// KiB unless somebody has raised it, and a queue takes all that it may ever hold from it at once.
enum QueueSizes {
  /// The size of a queue: how many messages, and of how many bytes each.
  private struct Size {
    let messages: Int
    let messageSize: Int

    /// What it takes of RLIMIT_MSGQUEUE; each message has some hundred bytes of the kernel's beside it.
    var byteCount: Int { messages * (messageSize + 96) }
  }

  /// From the size that is fastest to that which just works.
  private static var sizes: [Size] {
    [(10, 8192), (3, 4096), (2, 2048), (2, 1024)].map { messages, size in
      Size(messages: messages, messageSize: min(size, posixMessage))
    }
  }

  /// fs.mqueue.msgsize_max bounds it, for root also.
  static var posixMessage: Int { min(8192, KernelParameter("fs.mqueue.msgsize_max").value ?? 8192) }

  /// How many pairs of queues this process has in use.
  fileprivate static let pairsInUse = Atomic(0)

  /// Makes the two queues of a channel, whose names are gone already.
  ///
  /// The first channel of a process has large queues, or the first few as long as they take a quarter of
  /// RLIMIT_MSGQUEUE; the others have small ones, so that a pool of eight workers in each of a few processes fits. Where
  /// even that is too much, smaller ones yet.
  static func makePOSIXQueues() throws(InterprocessError) -> ReceivedDescriptors {
    let sizes = sizes
    let limit = ResourceLimit.messageQueueBytes.current.map { Int(clamping: $0) } ?? .max
    let largePairs = limit / 4 / (2 * sizes[0].byteCount)
    // Relaxed: it decides how large a queue is wished for.
    let first = pairsInUse.load(ordering: .relaxed) < largePairs ? 0 : 1
    var queues = ReceivedDescriptors(atMost: 2)
    for _ in 0..<2 { queues.adopt(CollectionOfOne(try make(sizes[first...]).release().rawValue)) }
    return queues
  }

  /// Makes a queue of the first size for which there is room.
  private static func make(_ sizes: ArraySlice<Size>) throws(InterprocessError) -> OwnedDescriptor {
    for size in sizes {
      do {
        let queue = try POSIXMessageQueue(
          creating: .uniqueObjectName, maximumMessages: size.messages, maximumMessageSize: size.messageSize)
        try POSIXMessageQueue.unlink(queue.name)
        return try queue.descriptor.copy()
      } catch {
        if error.errno != .tooManyOpenFiles { throw error }
      }
    }
    let limit = ResourceLimit.messageQueueBytes.current.map { " (\($0) bytes)" } ?? ""
    throw InterprocessError(
      call: "mq_open", object: "a channel's queue", errno: .tooManyOpenFiles,
      remedy: "there is no room left in RLIMIT_MSGQUEUE\(limit), which counts the queues of all of this user's "
        + "processes, or the process has no descriptor left; close other channels over posix-message-queue, raise "
        + "ulimit -q, or use another mechanism, ring for instance")
  }
}

/// Counts a pair of queues for as long as this process has an end of it.
final class QueueShare: Sendable {
  init() { QueueSizes.pairsInUse.wrappingAdd(1, ordering: .relaxed) }

  deinit { QueueSizes.pairsInUse.wrappingSubtract(1, ordering: .relaxed) }
}
