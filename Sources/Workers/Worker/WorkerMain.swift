import CInterprocess
import Distributed
import Glibc
import Interprocess
import SystemPackage

/// The program of a pool's workers: serves calls from its channel, one at a time, until the pool closes it.
enum WorkerMain: WorkerProgram {
  static func prepare(for setup: [UInt8]) {
    Reactor.prepareTypes()
    LoopExecutor.prepareTypes()
    // Makes the value's type; nothing is bound.
    _ = WorkerContext.$task
    // Makes that of the table of names.
    _ = Mechanism(rawValue: "")
    // The type alone: a channel's end has its descriptors in such an array.
    _ = _mangledTypeName([CInt].self)
    if let setup = try? WorkerSetup(decoding: setup), let type = actor(named: setup.actor) {
      found = (setup.actor, type)
    }
  }

  /// What the fork server found last: to look a name up again takes as long as the first time, nearly.
  // Unsafe: it is written in the fork server, which has one thread, and read in the workers forked from that. A `Mutex` would
  // keep the thread's id for its file, and in the workers that would be another's.
  nonisolated(unsafe) private static var found: (name: String, type: any WorkerActor.Type)?

  /// - Returns: `nil` when there is no actor of this name in this program.
  static func actor(named name: String) -> (any WorkerActor.Type)? {
    if let found, found.name == name { return found.type }
    return _typeByName(name) as? any WorkerActor.Type
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
