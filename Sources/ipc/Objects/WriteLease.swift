import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The kernel's own word on whether anybody has a file open or mapped, whoever and wherever it is: it grants a write
/// lease only on a file that nobody else has.
///
/// `/proc` shows who holds a file, but not what other users' processes, other containers' and messages on their way
/// hold. While the lease lasts, some microseconds, whoever opens the file waits, or is told EWOULDBLOCK if it would not
/// wait: so it is asked for only where nobody is seen.
struct WriteLease: ~Copyable {
  /// Closing the file ends the lease.
  private let descriptor: OwnedDescriptor

  /// - Parameter descriptor: the only one of the file that this process has.
  /// - Throws: `Errno.wouldBlock` when somebody has the file open or mapped; `Errno.permissionDenied` when this user
  ///   may not ask, owning neither the file nor the capability; `Errno.invalidArgument` when such files have no leases.
  init(on descriptor: consuming OwnedDescriptor) throws(Errno) {
    // Whoever opens the file meanwhile makes the kernel send SIGIO, which would end this process.
    signal(SIGIO, SIG_IGN)
    if ci_set_write_lease(descriptor.rawValue) == -1 { throw Errno(rawValue: errno) }
    self.descriptor = descriptor
  }

  /// Tries again for some time when a file is in use: another `ipc` that looks at it has it for a moment.
  static func patiently<Answer: ~Copyable>(
    _ attempt: () throws(Errno) -> Answer
  ) throws(Errno) -> Answer {
    for pause in [1, 2, 4, 8, 16, 32] as [UInt32] {
      do throws(Errno) {
        return try attempt()
      } catch {
        if error != .wouldBlock { throw error }
        // Two that pause alike would meet again.
        usleep(pause * 1000 + UInt32.random(in: 0..<1000))
      }
    }
    return try attempt()
  }
}

extension ObjectHolders {
  /// Who holds a file: those seen, unless the kernel says that nobody does.
  ///
  /// - Parameters:
  ///   - seen: the processes that `/proc` shows with the file.
  ///   - isComplete: whether `/proc` shows all of them.
  ///   - open: opens the file, without waiting.
  init(seen: Set<CInt>, isComplete: Bool, open: () throws(Errno) -> OwnedDescriptor) {
    guard seen.isEmpty else {
      self = .init(seen, otherwise: .unseen)
      return
    }
    do throws(Errno) {
      try WriteLease.patiently { () throws(Errno) in _ = try WriteLease(on: open()) }
      self = .nobody
    } catch {
      self = isComplete && error != .wouldBlock ? .nobody : .unseen
    }
  }
}
