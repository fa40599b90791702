import CInterprocess
import Glibc
import SystemPackage

/// What the POSIX queues use of their limits; `nil` where this user may not list them.
struct MessageQueueUsage {
  private(set) var count: Int?
  private(set) var mostMessages: Int?
  private(set) var largestMessage: Int?
  /// What the kernel charges this user for: room for every message a queue may hold.
  private(set) var bytesOfUser: Int?

  init() {
    guard let names = POSIXMessageQueueDirectory().names else { return }
    count = names.count
    (mostMessages, largestMessage, bytesOfUser) = (0, 0, 0)
    for name in names {
      guard let queue = try? POSIXMessageQueueFile(opening: name) else { continue }
      mostMessages = max(mostMessages ?? 0, queue.maximumMessages)
      largestMessage = max(largestMessage ?? 0, queue.maximumMessageSize)
      if queue.status.st_uid == geteuid() { bytesOfUser? += Self.charge(for: queue) }
    }
  }

  /// mqueue(7): beside the messages, the kernel's own record of each, and of each priority there can be.
  private static func charge(for queue: borrowing POSIXMessageQueueFile) -> Int {
    let messages = queue.maximumMessages
    return messages * (queue.maximumMessageSize + messageRecord) + min(messages, priorities) * priorityRecord
  }

  private static let messageRecord = 48
  private static let priorityRecord = 48
  private static let priorities = 32768
}
