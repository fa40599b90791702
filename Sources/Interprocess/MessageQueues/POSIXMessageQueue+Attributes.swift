import CInterprocess
import Glibc

extension POSIXMessageQueue {
  /// How many messages are in the queue now.
  ///
  /// The corresponding C function is `mq_getattr`.
  public var currentMessages: Int {
    get throws(InterprocessError) { Int(try attributes().mq_curmsgs) }
  }

  /// Whether calls through this open queue, and what inherited it, fail with `Errno.wouldBlock` where they would wait.
  ///
  /// The corresponding C function is `mq_getattr`. ``trySend(_:priority:)``, ``tryReceive()`` and the calls with a
  /// timeout do not depend on it.
  public var isNonBlocking: Bool {
    get throws(InterprocessError) { try attributes().mq_flags & Int(O_NONBLOCK) != 0 }
  }

  /// Sets ``isNonBlocking``.
  ///
  /// The corresponding C function is `mq_setattr`.
  public func setNonBlocking(_ isNonBlocking: Bool) throws(InterprocessError) {
    var attributes = mq_attr()
    attributes.mq_flags = isNonBlocking ? Int(O_NONBLOCK) : 0
    try systemCall("mq_setattr", quotedName) { mq_setattr(descriptor.rawValue, &attributes, nil) }
  }

  /// The limits of a queue that is created without naming any.
  ///
  /// - Returns: `fs.mqueue.msg_default` and `fs.mqueue.msgsize_default`.
  public static var defaultLimits: (maximumMessages: Int, maximumMessageSize: Int) {
    (KernelParameter("fs.mqueue.msg_default").value ?? 10, KernelParameter("fs.mqueue.msgsize_default").value ?? 8192)
  }

  /// The highest priority that a message can have. The corresponding C constant is `MQ_PRIO_MAX` - 1.
  public static var maximumPriority: UInt32 { 32767 }

  private func attributes() throws(InterprocessError) -> mq_attr {
    var attributes = mq_attr()
    try systemCall("mq_getattr", quotedName) { mq_getattr(descriptor.rawValue, &attributes) }
    return attributes
  }
}
