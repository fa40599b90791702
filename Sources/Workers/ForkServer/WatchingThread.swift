import CWorkers
package import Interprocess
package import SystemPackage

/// The thread that each worker process has beside its main thread: it watches the parent, and what a program asks for.
/// It runs whatever the other threads do, a call that never ends for instance.
package enum WatchingThread {
  /// Has the thread call `body` whenever a descriptor is readable or its other end is closed, until `body` returns
  /// `false`. The descriptor has to stay open until then.
  ///
  /// The corresponding C function is `epoll_ctl`.
  ///
  /// - Throws: `Errno.badFileDescriptor` in a process that is no worker.
  package static func watch(
    _ descriptor: FileDescriptor, _ body: @escaping @Sendable () -> Bool
  ) throws(InterprocessError) {
    let watch = Unmanaged.passRetained(Watch(body))
    do {
      try systemCall("epoll_ctl", "descriptor \(descriptor.rawValue)") {
        cw_watch_descriptor(
          descriptor.rawValue,
          { context in
            guard let watch = context.map({ Unmanaged<Watch>.fromOpaque($0) }) else { return false }
            let goesOn = watch.takeUnretainedValue().body()
            if !goesOn { watch.release() }
            return goesOn
          }, watch.toOpaque())
      }
    } catch {
      watch.release()
      throw error
    }
  }

  private final class Watch: Sendable {
    let body: @Sendable () -> Bool
    init(_ body: @escaping @Sendable () -> Bool) { self.body = body }
  }
}
