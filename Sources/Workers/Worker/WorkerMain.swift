import CInterprocess
import Distributed
import Glibc
import Interprocess
import SystemPackage

/// The program of a pool's workers: serves calls from its channel, one at a time, until the pool closes it.
enum WorkerMain: WorkerProgram {
  static func start(_ worker: consuming WorkerStart) {
    do {
      let session = try WorkerSession.make(&worker)
      try session.start()
    } catch {
      fail("it could not be set up: \(error)")
    }
  }

  /// Ends the process, saying why where the pool finds it.
  static func fail(_ why: String) -> Never {
    let text = Array("worker \(getpid()): \(why)\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
    exit(ExitCode.couldNotStart)
  }

  enum ExitCode {
    static let couldNotStart: CInt = 71
    /// The pool sent what a worker does not understand.
    static let protocolViolation: CInt = 76
  }
}
