import CInterprocess
import Glibc
package import SystemPackage

extension Errno {
  package static var current: Errno { Errno(rawValue: Glibc.errno) }
}

/// Calls `body` again for as long as a signal interrupts it, and turns -1 into the reason in `errno`.
///
/// Inlined: the kernel has the processor forget who called whom, so that each return after a system call is
/// mispredicted, which costs about 10 ns. The calls that move messages are therefore inlined into the program, as far as
/// they succeed at once; what is left of the work is in functions of its own.
@inline(__always)
package func valueOrErrno<Value: SignedInteger>(_ body: () -> Value) -> Result<Value, Errno> {
  while true {
    let value = body()
    if value != -1 { return .success(value) }
    let reason = Errno.current
    if reason != .interrupted { return .failure(reason) }
  }
}

/// The one place where a system call's -1 becomes a thrown error.
///
/// - Parameters:
///   - call: the C function's name.
///   - object: what it is called on; evaluated only when the call fails.
///   - remedy: what to do about a given reason; where it has nothing to say, ``generalRemedy(for:)`` is asked.
@inline(__always)
@discardableResult
package func systemCall<Value: SignedInteger>(
  _ call: StaticString,
  _ object: @autoclosure () -> String?,
  remedy: (Errno) -> String? = { _ in nil },
  _ body: () -> Value
) throws(InterprocessError) -> Value {
  try value(of: call, object(), remedy: remedy, valueOrErrno(body))
}

/// What a system call gave. See ``systemCall(_:_:remedy:_:)``.
@inline(__always)
@discardableResult
func value<Value: SignedInteger>(
  of call: StaticString,
  _ object: @autoclosure () -> String?,
  remedy: (Errno) -> String? = { _ in nil },
  _ result: Result<Value, Errno>
) throws(InterprocessError) -> Value {
  switch result {
  case .success(let value): return value
  case .failure(let reason):
    throw .failed(call, object(), reason, remedy: remedy)
  }
}

extension InterprocessError {
  /// Never inlined, so that the way of a call that succeeds stays short.
  @inline(never)
  fileprivate static func failed(
    _ call: StaticString, _ object: @autoclosure () -> String?, _ reason: Errno, remedy: (Errno) -> String?
  ) -> InterprocessError {
    InterprocessError(
      call: "\(call)", object: object(), errno: reason, remedy: remedy(reason) ?? generalRemedy(for: reason))
  }
}

/// What to do about reasons that mean the same whichever call gives them.
func generalRemedy(for reason: Errno) -> String? {
  switch reason {
  case .tooManyOpenFiles:
    let limit = ResourceLimit.openFiles.current.map { " (\($0))" } ?? ""
    return "this process may have no more descriptors; raise RLIMIT_NOFILE\(limit) with ulimit -n"
  case .tooManyOpenFilesInSystem: return "the machine has no more descriptors; raise fs.file-max with sysctl"
  default: return nil
  }
}

extension InterprocessError {
  /// A request refused before it reached the system, since the system would misunderstand it.
  static func refused(_ call: StaticString, _ object: String?, _ why: String) -> InterprocessError {
    InterprocessError(call: "\(call)", object: object, errno: .invalidArgument, remedy: why)
  }
}

/// Calls `body` once: for those who decide themselves what an interruption means.
func singleCall(_ body: () -> Int) -> Result<Int, Errno> {
  let value = body()
  return value == -1 ? .failure(.current) : .success(value)
}
