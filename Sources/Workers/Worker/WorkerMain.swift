import CInterprocess
import Distributed
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The program of a pool's workers: serves calls from its channel, one at a time, until the pool closes it.
enum WorkerMain: WorkerProgram {
  static func prepare(for setup: [UInt8]) {
    Reactor.prepareTypes()
    LoopExecutor.prepareTypes()
    _ = WorkerContext.$task
    _ = Mechanism(rawValue: "")
    // Of a channel's end: its descriptors.
    _ = _mangledTypeName([CInt].self)
    if let setup = try? WorkerSetup(decoding: setup) { _ = actor(named: setup.actor) }
  }

  /// What was found last, here or in the fork server. To look a name up again takes as long as the first time, nearly.
  private static let found = Mutex<(name: String, type: any WorkerActor.Type)?>(nil)

  /// - Returns: `nil` when there is no actor of this name in this program.
  static func actor(named name: String) -> (any WorkerActor.Type)? {
    found.withLock { found in
      if let found, found.name == name { return found.type }
      guard let type = _typeByName(name) as? any WorkerActor.Type else { return nil }
      found = (name, type)
      return type
    }
  }

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
