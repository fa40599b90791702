import Glibc
import Interprocess
import SystemPackage
import TestSupport

/// Tries until a program that was just started listens.
func connectWhenThere<Value>(_ connect: () throws -> Value) throws -> Value {
  let end = ContinuousClock.now + generous
  while true {
    do {
      return try connect()
    } catch let error as ChannelError {
      let reason = error.systemError?.errno
      let isEarly = reason == .noSuchFileOrDirectory || reason == .connectionRefused
      if !isEarly || ContinuousClock.now > end { throw error }
    }
    usleep(2000)
  }
}
