import Glibc

/// RLIMIT_MSGQUEUE counts the POSIX queues of a user, and so of all the tests that run side by side: whoever may raise
/// it gets room for them before the first one starts.
@section(".init_array") @used
private let makeRoom: @convention(c) () -> Void = {
  // RLIMIT_MSGQUEUE is 12 on every Linux; Glibc's module leaves it out.
  let queues = __rlimit_resource_t(12)
  var room = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
  if setrlimit(queues, &room) != 0, getrlimit(queues, &room) == 0 {
    room.rlim_cur = room.rlim_max
    _ = setrlimit(queues, &room)
  }
}
