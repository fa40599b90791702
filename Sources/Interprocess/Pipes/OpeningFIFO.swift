import CInterprocess
import Glibc
import SystemPackage

/// Opens `path`, which has to be a FIFO: a regular file would take the bytes and never give them to anybody.
func openFIFO(
  _ path: FilePath, _ flags: CInt, packets: Bool = false, by deadline: Deadline
) throws(InterprocessError) -> OwnedDescriptor {
  // `open` has no timeout of its own, and nothing to poll before it is done.
  let result = InterruptTimer.call(unlessNever: deadline) { Int(openOnce(path, flags)) }
  let descriptor = try openedFIFO(path, flags, result.map { CInt(truncatingIfNeeded: $0) })
  if flags & O_NONBLOCK != 0 || packets { try setFlags(descriptor, flags, packets, path) }
  return descriptor
}

/// The same for a task: a thread waits.
nonisolated(nonsending) func openFIFO(
  _ path: FilePath, _ flags: CInt, packets: Bool = false, by deadline: Deadline
) async throws -> OwnedDescriptor {
  try Task.checkCancellation()
  let result = try await WaitingThread.call(until: deadline) { () -> Result<CInt, Errno> in
    let number = openOnce(path, flags)
    return number == -1 ? .failure(.current) : .success(number)
  }
  let descriptor = try openedFIFO(path, flags, result)
  if packets { try setFlags(descriptor, flags, packets, path) }
  return descriptor
}

/// `O_NONBLOCK` was only to keep `open` from waiting; reads and writes wait, or have timeouts of their own. `O_DIRECT`,
/// for packets, is refused by `open`.
private func setFlags(
  _ descriptor: borrowing OwnedDescriptor, _ flags: CInt, _ packets: Bool, _ path: FilePath
) throws(InterprocessError) {
  let number = descriptor.rawValue
  try systemCall("fcntl", "\"\(path)\"") {
    fcntl(number, F_SETFL, flags & ~O_NONBLOCK | (packets ? ci_o_direct() : 0))
  }
}

private func openOnce(_ path: FilePath, _ flags: CInt) -> CInt {
  path.withPlatformString { ci_open($0, flags | O_CLOEXEC | O_NOCTTY, 0) }
}

private func openedFIFO(
  _ path: FilePath, _ flags: CInt, _ result: Result<CInt, Errno>
) throws(InterprocessError) -> OwnedDescriptor {
  let object = "\"\(path)\""
  switch result {
  case .success(let number):
    let descriptor = OwnedDescriptor(adopting: number)
    var status = stat()
    try systemCall("fstat", object) { fstat(number, &status) }
    guard status.st_mode & S_IFMT == S_IFIFO else { throw .refused("open", object, "this path is no FIFO") }
    return descriptor
  case .failure(let reason):
    let remedy: String? =
      switch reason {
      case .noSuchAddressOrDevice: "nobody has it open for reading"
      case .timedOut: "nobody has opened it for \(flags & O_ACCMODE == O_RDONLY ? "writing" : "reading")"
      default: namingRemedy(for: reason, kind: "FIFO")
      }
    throw InterprocessError(
      call: "open", object: object, errno: reason, remedy: remedy ?? generalRemedy(for: reason))
  }
}
