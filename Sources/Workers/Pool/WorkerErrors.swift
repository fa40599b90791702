public import Interprocess

/// A worker died while it ran a call. The call is lost, and no other; another worker takes the dead one's place.
public struct WorkerCrash: Error, Sendable {
  /// The worker's process id, another's by now perhaps; `nil` when it never had one.
  public let processID: Int32?

  /// How it ended; `nil` when the fork server, which would have known, ended first.
  public let ending: ProcessEnding?

  /// The call it ran: the distributed target's name, or the function's type.
  public let call: String

  /// Which attempt it was, from 1.
  public let attempt: Int

  /// What it had used: `nil` when that is not known.
  public let usage: ResourceUsage?

  /// The end of what it wrote to standard error; with backtraces on, the backtrace. Empty where that is not collected.
  public let standardError: String

  /// The end of what it wrote to standard output; empty where that is not collected.
  public let standardOutput: String

  /// Whether it was for want of memory: by what Swift said of itself, by the cgroup's count of such kills, or by a SIGKILL
  /// that the pool has not sent.
  public let outOfMemory: OutOfMemory

  /// Why the pool has killed it, or would have; `nil` where it ended of itself.
  public let fault: Fault?

  /// What a worker is killed for.
  public enum Fault: String, Hashable, Sendable {
    /// A signal had stopped it, and nobody continued it within the grace period.
    case stopped = "was stopped"
    /// It closed its channel, and lived on.
    case closedChannel = "closed its channel"
    /// It sent what no worker sends.
    case protocolViolation = "sent what is no message of a worker"
  }

  /// Which element of a chunk was being computed; `nil` when none was, or nobody knows.
  var element: Int? = nil

  /// Whether it died because memory ran out.
  public enum OutOfMemory: Hashable, Sendable {
    case yes
    case no
    /// It was killed by somebody who is not the pool.
    case possible
  }

  /// The backtrace at the end of ``standardError``, where `backtraces` are on and errors are collected.
  public var backtrace: String? {
    guard let start = standardError.firstRange(of: "Program crashed")?.lowerBound else { return nil }
    let line = standardError[..<start].lastIndex(of: "\n").map { standardError.index(after: $0) }
    return String(standardError[(line ?? standardError.startIndex)...])
  }
}

extension WorkerCrash: CustomStringConvertible {
  public var description: String {
    let who = processID.map { "worker \($0)" } ?? "a worker"
    let how = ending.map { "\($0)" } ?? "ended in a way that nobody saw"
    var text = "\(who) \(how) while running \(call) (attempt \(attempt))"
    if let fault { text += ", as it \(fault.rawValue)" }
    if outOfMemory == .yes { text += ": out of memory" }
    if outOfMemory == .possible { text += ": out of memory, possibly" }
    if let last = standardError.split(separator: "\n").last { text += "; last words: \(last)" }
    return text
  }
}

/// A call ran longer than it may. It is cancelled, and its worker replaced unless it ends within the grace period.
public struct CallDeadlineExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// The distributed target's name, or the function's type.
  public let call: String
  /// How long it might have run.
  public let deadline: Duration?

  /// The process id of the worker that it ran in, another's by now perhaps; `nil` when that was gone just then.
  public let processID: Int32?

  public var description: String {
    let place = processID.map { "in worker \($0)" } ?? "in a worker"
    return "\(call) ran \(place) longer than \(deadline.map { "\($0)" } ?? "its deadline")"
  }
}

/// The pool was shut down before the call was made.
public struct PoolClosed: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String { "the worker pool is shut down" }
}

/// More idle workers died than the configuration's `restartIntensity` allows, or none could be started: the pool has given
/// up.
public struct PoolFailed: Error, Hashable, Sendable, CustomStringConvertible {
  /// What ended the last worker.
  public let cause: String

  public var description: String {
    "the worker pool has failed, since too many workers died (restartIntensity); the last one: \(cause)"
  }
}

/// Too many calls wait for a worker already.
public struct PoolQueueFull: Error, Hashable, Sendable, CustomStringConvertible {
  /// How many may: the configuration's `queueLimit`.
  public let limit: Int?

  public var description: String {
    "\(limit.map(String.init) ?? "too many") calls wait for a worker already (queueLimit)"
  }
}

/// The one worker that the call was for is gone: it was held, and has died since, or is held no longer.
public struct WorkerLost: Error, Hashable, Sendable, CustomStringConvertible {
  /// The distributed target's name.
  public let call: String

  public var description: String {
    "\(call): the worker that was held for it has died, and its state with it, or is held no longer"
  }
}
