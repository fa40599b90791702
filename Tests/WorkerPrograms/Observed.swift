import Glibc
import Interprocess
import Synchronization
import SystemPackage
package import Workers

/// A worker that runs ``Act``, with what it told and what happened to it.
package final class Observed: Sendable {
  private let seen: Seen
  package let process: WorkerProcess
  private let pipe: Mutex<Pipe>

  private final class Seen: Sendable {
    let events = Mutex<[WorkerProcessEvent]>([])
  }

  package init(
    _ server: ForkServer, _ acts: String, _ configuration: WorkerProcessConfiguration = .init(),
    program: any WorkerProgram.Type = Act.self
  ) throws {
    var pipe = try Pipe()
    let seen = Seen()
    process = try server.startWorker(
      configuration, program: program, setup: Array(acts.utf8), descriptors: [pipe.writer.descriptor.fileDescriptor]
    ) { event in seen.events.withLock { $0.append(event) } }
    try pipe.writer.close()
    self.seen = seen
    self.pipe = Mutex(pipe)
  }

  package var events: [WorkerProcessEvent] { seen.events.withLock { $0 } }

  package var ending: WorkerProcessEnding? {
    if case .ended(let ending)? = events.last { ending } else { nil }
  }

  /// One line that it told.
  package func line() throws -> String {
    let descriptor = pipe.withLock { $0.reader.descriptor.rawValue }
    var bytes: [UInt8] = []
    while bytes.last != 10 {
      var entry = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
      guard poll(&entry, 1, 10_000) > 0 else { throw Late("a line; \(events)") }
      var byte: UInt8 = 0
      if read(descriptor, &byte, 1) != 1 { break }
      bytes.append(byte)
    }
    return String(decoding: bytes.dropLast(), as: UTF8.self)
  }

  /// How it ended, as one line.
  package func end() throws -> String {
    try within10Seconds("an ending; \(process.processID ?? 0)") { ending != nil }
    switch ending {
    case .reaped(let ending, _): return "\(ending)"
    case .unknown: return "unknown"
    case .notStarted(let error): return "not started: \(error)"
    case nil: return ""
    }
  }
}

package struct Late: Error, CustomStringConvertible {
  package let description: String
  init(_ what: String) { description = "10 seconds have passed without \(what)" }
}

package func within10Seconds(_ what: @autoclosure () -> String, _ condition: () throws -> Bool) throws {
  let end = ContinuousClock.now + .seconds(10)
  while try !condition() {
    if ContinuousClock.now > end { throw Late(what()) }
    usleep(100)
  }
}
