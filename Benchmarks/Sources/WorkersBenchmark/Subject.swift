import Distributed
import Glibc
import Interprocess
import Workers

/// What the workers are asked to do: nothing, as fast as they can.
distributed actor Subject: WorkerActor {
  typealias ActorSystem = WorkerSystem

  distributed func nothing() {}
  private var made: [Double] = []

  distributed func make(_ count: Int) -> [Double] {
    if made.count != count { made = [Double](repeating: 1, count: count) }
    return made
  }
  distributed func sum(_ numbers: [Double]) -> Double { numbers.first ?? 0 }
  distributed func first(of numbers: SharedArray<Double>) -> Double { numbers[0] }
  distributed func process() -> Int32 { getpid() }
  distributed func crash() { kill(getpid(), SIGKILL) }
}

/// The same without an actor.
struct Nothing: WorkerFunction {
  static func call(_ input: Int) -> Int { input }
}
