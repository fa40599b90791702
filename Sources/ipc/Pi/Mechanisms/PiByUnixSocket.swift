import Interprocess
import SystemPackage

/// The parent listens at a path, and each child connects to it: how strangers meet.
enum PiByUnixSocket: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let directory = try TemporaryDirectory(prefix: "ipc-pi")
    let address = UnixSocketAddress.path(directory.path.appending("sums"))
    var listener = try UnixListener(at: address)
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        try listener.close()
        let socket = try UnixSocket(connectingTo: address)
        try socket.write(sum.bytes)
      }
    }
    // Kept when its sum does not come in time: the next look goes on with it.
    var connection: UnixSocket?
    return try team.collect { _, timeout in
      if connection == nil { connection = try listener.accept(timeout: timeout) }
      let bytes = try connection?.read(exactly: PartialSum.byteCount, timeout: timeout)
      connection = nil
      return try PartialSum(bytes)
    }
  }
}
