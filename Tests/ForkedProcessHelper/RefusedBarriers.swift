import CInterprocess
import Glibc

/// Has the kernel refuse `membarrier` to this process from now on, and to its children, as one does that does not know
/// it, or a container that does not allow it. Before a thread is started; says whether it is refused.
func refuseBarriers() throws {
  #if arch(x86_64)
    let call: UInt64 = 324
  #else
    let call: UInt64 = 283
  #endif
  // `struct sock_filter`: what to do, how far to go on from there if it is so, and if not, and with what.
  func instruction(_ code: UInt64, _ ifSo: UInt64, _ ifNot: UInt64, _ operand: UInt64) -> UInt64 {
    code | ifSo << 16 | ifNot << 24 | operand << 32
  }
  let isInstalled = install([
    // BPF_LD | BPF_W | BPF_ABS: the number of the call, the first word of `struct seccomp_data`.
    instruction(0x20, 0, 0, 0),
    // BPF_JMP | BPF_JEQ | BPF_K: if it is another, over the next.
    instruction(0x15, 0, 1, call),
    // BPF_RET: SECCOMP_RET_ERRNO, and SECCOMP_RET_ALLOW.
    instruction(0x06, 0, 0, 0x0005_0000 | UInt64(ENOSYS)),
    instruction(0x06, 0, 0, 0x7FFF_0000),
  ])
  say(isInstalled && ci_membarrier() == -1 && errno == ENOSYS ? "refused" : "not refused")
}

private func install(_ filter: [UInt64]) -> Bool {
  // It is variadic, and those Swift does not import.
  typealias Control = @convention(c) (CInt, UInt, UInt, UInt, UInt) -> CInt
  guard let symbol = dlsym(nil, "prctl") else { return false }
  let control = unsafeBitCast(symbol, to: Control.self)
  return filter.withUnsafeBytes { filter in
    // `struct sock_fprog`: how many, and where.
    let program = [UInt(filter.count / 8), UInt(bitPattern: filter.baseAddress)]
    return program.withUnsafeBytes { program in
      // PR_SET_NO_NEW_PRIVS; PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
      control(38, 1, 0, 0, 0) == 0 && control(22, 2, UInt(bitPattern: program.baseAddress), 0, 0) == 0
    }
  }
}
