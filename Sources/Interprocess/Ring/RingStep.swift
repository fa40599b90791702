import CInterprocess
import Glibc

/// The places between which a side may die, for tests that kill it there. In release builds nothing is left of them.
package enum RingStep: String, CaseIterable, Sendable {
  case attaching
  case beforeLength, beforePayload, amidPayload, beforeIndex, beforeLook, beforeWake, beforeSystemCall
  case beforeRead, afterRead, beforeHead, betweenLooks
  case beforeFlag, beforeBarrier, beforeLastLook, beforeSleep, afterSleep
  case beforeClosing, closed

  #if DEBUG
    /// Called at each step, on the thread of the side. Set before any ring is used.
    nonisolated(unsafe) package static var hook: (@Sendable (RingStep) -> Void)?
  #endif
}

@inline(__always)
func reach(_ step: @autoclosure () -> RingStep) {
  #if DEBUG
    RingStep.hook?(step())
  #endif
}

/// Copies a message into the ring; a side may die in the middle of it.
@inline(__always)
func copyBytes(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
  #if DEBUG
    memcpy(target, source, count / 2)
    reach(.amidPayload)
    memcpy(target + count / 2, source + count / 2, count - count / 2)
  #else
    memcpy(target, source, count)
  #endif
}
