import Interprocess

/// Rounds of messages with other sizes each, for so many seconds. Arguments: seconds, seed.
func ringLong(_ arguments: [String]) throws {
  let seconds = arguments.first.flatMap { Int($0) } ?? 10
  let seed = arguments.dropFirst().first.flatMap { UInt64($0) } ?? UInt64.random(in: 1...UInt64(UInt32.max))
  let end = ContinuousClock.now + .seconds(seconds)
  var (rounds, messages): (UInt64, UInt64) = (0, 0)
  while ContinuousClock.now < end {
    RingMessage.seed = seed &+ rounds
    rounds += 1
    messages += try ringStress(messages: 50_000)
  }
  say("\(messages) messages in \(rounds) rounds, seed \(seed)")
}
