import Glibc
import Interprocess
import SystemPackage

/// Scenarios in which calls are refused, each under circumstances that only a process of its own can be in.
func refusalScenario(_ name: String) throws -> Bool {
  switch name {
  case "refusals-of-another-user": try refusalsOfAnotherUser()
  case "refusals-of-user-limits": try refusalsOfUserLimits()
  case "refusals-of-process-limits": try refusalsOfProcessLimits()
  case "refusal-of-addresses": try refusalOfAddresses()
  case "refusals-of-kernel-limits": try refusalsOfKernelLimits()
  case "refusals-of-full-memory": try refusalsOfFullMemory()
  case "refusals-injected": try refusalsInjected()
  case "huge-pages": try hugePages()
  case "interruptions": try interruptions()
  case "pipes-of-old-kernels": try pipesOfOldKernels()
  case "waits-without-timers": try waitsWithoutTimers()
  case "waits-injected": try waitsInjected()
  case "wait-without-threads": try waitWithoutThreads()
  case "first-wait-without-descriptors": try firstWaitWithoutDescriptors()
  case "large-message-without-descriptors": try largeMessageWithoutDescriptors()
  default: return false
  }
  return true
}

/// Says what came of a call: `LABEL|ERRNO|MESSAGE`, with 0 where it was not refused.
func provoke(_ label: String, _ call: () throws -> Void) {
  do {
    try call()
    say("\(label)|0|")
  } catch let error as InterprocessError {
    say("\(label)|\(error.errno.rawValue)|\(error)")
  } catch {
    say("\(label)|-1|\(error)")
  }
}

/// Calls `body` as a user who owns nothing and may do nothing; root only.
func asNobody(_ body: () throws -> Void) throws {
  let nobody: UInt32 = 65534
  // Only the saved ids stay, so that there is a way back.
  let same = UInt32.max
  guard
    setregid(nobody, same) == 0, setegid(nobody) == 0, setreuid(nobody, same) == 0, seteuid(nobody) == 0
  else { throw InterprocessError(call: "seteuid", errno: Errno(rawValue: errno)) }
  defer {
    seteuid(0)
    setreuid(0, 0)
    setegid(0)
    setregid(0, 0)
  }
  try body()
}

/// Sets a soft limit of this process.
func limit(_ resource: CInt, to value: UInt) {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(UInt32(resource)), &limit)
  limit.rlim_cur = value
  setrlimit(__rlimit_resource_t(UInt32(resource)), &limit)
}

/// Calls `body` under a soft limit.
func limiting(_ resource: CInt, to value: UInt, _ body: () throws -> Void) rethrows {
  var before = rlimit()
  getrlimit(__rlimit_resource_t(UInt32(resource)), &before)
  limit(resource, to: value)
  defer { setrlimit(__rlimit_resource_t(UInt32(resource)), &before) }
  try body()
}

/// Glibc's module leaves some of them out; they are the same on x86-64 and arm64.
enum Limit {
  static let fileSize: CInt = 1
  static let processes: CInt = 6
  static let openFiles: CInt = 7
  static let lockedMemory: CInt = 8
  static let addresses: CInt = 9
  static let pendingSignals: CInt = 11
  static let messageQueueBytes: CInt = 12
}

/// A name and a key that no other process has.
let ownName = "/interprocess-refusals-\(getpid())"

func ownKey(_ number: Int32) throws -> SystemVKey {
  guard let key = SystemVKey(rawValue: 0x7065_0000 | (getpid() << 3 & 0xFFFF) | number) else {
    throw InterprocessError(call: "SystemVKey", errno: .invalidArgument)
  }
  return key
}
