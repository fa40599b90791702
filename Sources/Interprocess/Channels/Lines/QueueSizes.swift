import SystemPackage

/// How large the queues of channels are made.
enum QueueSizes {
  static let posixMessages = 10

  /// fs.mqueue.msgsize_max bounds it, for root also.
  static var posixMessage: Int { min(8192, KernelParameter("fs.mqueue.msgsize_max").value ?? 8192) }

  /// Makes a queue whose name is gone already. It is made smaller where RLIMIT_MSGQUEUE, which counts all queues of a
  /// user, leaves no room for a full one.
  static func makePOSIXQueue() throws(InterprocessError) -> POSIXMessageQueue {
    var (messages, size) = (posixMessages, posixMessage)
    while true {
      do {
        return try makePOSIXQueue(messages, size)
      } catch {
        guard error.errno == .tooManyOpenFiles, size > 1024 else { throw error }
        messages = max(2, messages / 2)
        size /= 2
      }
    }
  }

  private static func makePOSIXQueue(_ messages: Int, _ size: Int) throws(InterprocessError) -> POSIXMessageQueue {
    let queue = try POSIXMessageQueue(
      creating: .uniqueObjectName, maximumMessages: messages, maximumMessageSize: size)
    try POSIXMessageQueue.unlink(queue.name)
    return queue
  }
}
