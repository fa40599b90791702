/// A call, or a request to hold a worker. Ids grow: among calls of one priority the lower id goes first.
struct CallID: RawRepresentable, Hashable, Comparable, Sendable {
  let rawValue: Int

  static func < (left: CallID, right: CallID) -> Bool { left.rawValue < right.rawValue }

  // Dictionaries ask for this one. They are looked into for every call, several times, and the pool counts the ids itself:
  // nobody can choose them so that they collide, which is what the slow hash is good for.
  func _rawHashValue(seed: Int) -> Int { CountedID.hash(rawValue, seed) }
}

/// The hash of numbers that nobody chooses: those given out one after the other, addresses.
enum CountedID {
  static func hash(_ number: Int, _ seed: Int) -> Int {
    // Fibonacci hashing: the golden ratio spreads what is counted over the upper bits.
    let spread = UInt(bitPattern: number ^ seed) &* 0x9e37_79b9_7f4a_7c15
    return Int(bitPattern: spread ^ spread >> 32)
  }
}

/// A held worker, named by the request that was granted.
typealias LeaseID = CallID

/// One worker process, for the whole life of the pool: no id is given twice.
struct WorkerID: RawRepresentable, Hashable, Comparable, Sendable {
  let rawValue: Int

  static func < (left: WorkerID, right: WorkerID) -> Bool { left.rawValue < right.rawValue }

  // As a call's.
  func _rawHashValue(seed: Int) -> Int { CountedID.hash(rawValue, seed) }
}

/// The values are those of `TaskPriority`; the higher goes first.
struct CallPriority: RawRepresentable, Hashable, Comparable, Sendable {
  let rawValue: UInt8

  static let high = CallPriority(rawValue: 25)
  static let medium = CallPriority(rawValue: 21)
  static let low = CallPriority(rawValue: 17)

  static func < (left: CallPriority, right: CallPriority) -> Bool { left.rawValue < right.rawValue }
}

/// A timer of the pool. Each is armed at most once at a time.
///
/// What belongs to a call names its worker too: the second attempt of a call has timers of its own, which
/// the late firing of the first one's cannot be mistaken for.
enum PoolTimer: Hashable, Sendable {
  /// The time a call may run is over.
  case deadline(WorkerID, CallID)
  /// The call was asked to stop, and has had time to.
  case cancellation(WorkerID, CallID)
  /// The worker was asked to exit, and has had time to.
  case closing(WorkerID)
  /// The worker was sent SIGTERM, and has had time to obey.
  case termination(WorkerID)
  /// The worker had time to become ready.
  case start(WorkerID)
  /// The worker was stopped, and has had time to be continued.
  case stop(WorkerID)
  /// The worker's channel has ended, and its process has had time to.
  case silence(WorkerID)
  /// The fork server had time to become ready, or to exit.
  case forkServer
  /// After failed starts: the next may be tried.
  case backOff
  /// Time to look for workers that have had nothing to do since the last look.
  case idle
  /// The time in which a shutdown may drain is over.
  case shutdown
}
