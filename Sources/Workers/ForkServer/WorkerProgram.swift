import CInterprocess
import Glibc
package import Interprocess

/// What a worker process runs.
///
/// A program is found by its type's name in the new process, so its type may be neither private nor local to a function.
package protocol WorkerProgram {
  /// Called in the fork server before each start: does what Swift does once in a process, and so would do in each worker
  /// again, making types and finding them. It may start no thread, run no task, and take no `Mutex`: that remembers the
  /// thread's id, which would be wrong in the workers.
  static func prepare(for setup: [UInt8])

  /// Called on the main thread of a new process in which nothing else has run.
  ///
  /// When it returns, the main thread serves the main actor, and the process lives until something in it calls `exit`.
  static func start(_ worker: consuming WorkerStart)
}

extension WorkerProgram {
  package static func prepare(for setup: [UInt8]) {}
}

/// What a worker process begins with.
package struct WorkerStart: ~Copyable, Sendable {
  /// The bytes that the parent gave.
  package let setup: [UInt8]

  /// How deep in pools of pools this worker is; 1 where the program itself has the pool.
  package let depth: Int

  private var descriptors: [CInt]

  init(setup: [UInt8], depth: Int, descriptors: [CInt]) {
    self.setup = setup
    self.depth = depth
    self.descriptors = descriptors
  }

  deinit {
    for descriptor in descriptors { close(descriptor) }
  }

  /// Takes the first descriptor that the parent gave and nobody has taken; `nil` when there are no more.
  package mutating func takeDescriptor() -> OwnedDescriptor? {
    descriptors.isEmpty ? nil : OwnedDescriptor(adopting: descriptors.removeFirst())
  }
}
