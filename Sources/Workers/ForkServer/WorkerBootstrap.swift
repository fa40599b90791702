import CInterprocess
import CWorkers
import Glibc
import Interprocess
import SystemPackage

/// Runs in place of `main` in a process that ``spawnSelf`` started, on its only thread.
@c(interprocess_worker_main)
func becomeWhatTheParentWants(control number: CInt) -> Never {
  cw_fill_standard_descriptors()
  let control = ControlSocket(number: number)
  // It was sent before this process began.
  guard case .message(let message)? = try? control.tryReceive(), !message.lostDescriptors,
    let commission = try? Commission(decoding: message.bytes), let parent = message.descriptors.first
  else { _exit(127) }
  // The runtime has read it by now. Programs that workers start get what the user had.
  if let setting = commission.backtraceSetting {
    setenv("SWIFT_BACKTRACE", setting, 1)
  } else {
    unsetenv("SWIFT_BACKTRACE")
  }
  cw_set_depth(CInt(truncatingIfNeeded: commission.depth))
  switch commission.role {
  case .forkServer:
    var server = ForkServerProcess(control: control, parent: parent, commission: commission)
    server.run()
  case .worker(let fields):
    guard let request = try? StartRequest(decoding: fields), message.descriptors.count >= 2 else { _exit(127) }
    let reporting = ControlSocket(number: message.descriptors[1])
    close(number)
    let program = StartedWorker.program(named: request.program)
    let own = Array(message.descriptors.dropFirst(2))
    StartedWorker(request: request, control: reporting, parent: parent, descriptors: own).run(program)
  }
}

/// A process that ``spawnSelf(_:passing:)`` started, and this end of its socket.
struct SpawnedSelf: ~Copyable {
  let process: CInt
  let control: OwnedDescriptor
}

/// Starts this program again, to become what the commission says.
///
/// - Parameter descriptors: what goes with the commission.
func spawnSelf(
  _ commission: Commission, passing descriptors: [CInt]
) throws(InterprocessError) -> SpawnedSelf {
  guard cw_can_take_over() else {
    throw InterprocessError(
      call: "posix_spawn", object: "/proc/self/exe", errno: .notSupported,
      remedy: "this program's start is not ours: the C library has to be linked dynamically")
  }
  var pair: (CInt, CInt) = (-1, -1)
  try systemCall("socketpair", nil) {
    withUnsafeMutableBytes(of: &pair) { storage in
      socketpair(
        AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0,
        storage.baseAddress?.assumingMemoryBound(to: CInt.self))
    }
  }
  let near = try movedUp(pair.0)
  let far = try movedUp(pair.1)
  var token = [UInt8](repeating: 0, count: Int(cw_token_size))
  try systemCall("getrandom", nil) { cw_random(&token, token.count) }
  var greeting = [UInt8](repeating: 0, count: Int(cw_greeting_size))
  cw_greeting(token, &greeting)
  try systemCall("sendmsg", "control socket \(near.rawValue)") {
    ci_send_message(near.rawValue, greeting, greeting.count, nil, 0, nil, 0, CInt(MSG_DONTWAIT))
  }
  guard try ControlSocket(number: near.rawValue).trySend(commission.encoded(), descriptors) else {
    throw InterprocessError(call: "sendmsg", object: "control socket \(near.rawValue)", errno: .noBufferSpace)
  }
  var process: pid_t = 0
  let reason = cw_spawn_self(far.rawValue, token, commission.wantsBacktraces ? "enable=yes" : "enable=no", &process)
  if reason != 0 {
    throw InterprocessError(
      call: "posix_spawn", object: "/proc/self/exe", errno: Errno(rawValue: reason),
      remedy: "/proc has to be mounted, and this user to be allowed another process (ulimit -u)")
  }
  return SpawnedSelf(process: process, control: near)
}

/// In a program that has closed its standard output, a descriptor of ours must not take its place.
func movedUp(_ descriptor: CInt) throws(InterprocessError) -> OwnedDescriptor {
  OwnedDescriptor(adopting: try systemCall("fcntl", "descriptor \(descriptor)") { cw_move_descriptor_up(descriptor) })
}
