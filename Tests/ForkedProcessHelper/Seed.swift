import Glibc

/// What scenarios with random numbers begin with, so that one that failed comes again.
enum Seed {
  /// The seed that an argument gives, or `INTERPROCESS_SEED` of the environment, or else a new one.
  ///
  /// It is said first, and on standard error: there it stands however the process ends.
  static func announced(_ given: UInt64? = nil) -> UInt64 {
    let wanted = getenv("INTERPROCESS_SEED").flatMap { UInt64(String(cString: $0)) }
    let seed = given ?? wanted ?? .random(in: 1 ... .max)
    let line = Array("INTERPROCESS_SEED=\(seed)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    return seed
  }
}
