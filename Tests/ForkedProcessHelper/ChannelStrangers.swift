import Glibc
import Interprocess
import SystemPackage

/// One of two programs that know a name, and nothing else of each other.
struct Stranger {
  let isListener: Bool
  let mechanism: Mechanism
  let path: FilePath

  /// Arguments: `listen` or `connect`, mechanism, the path of a socket.
  init(_ arguments: [String]) throws {
    guard arguments.count >= 3, ["listen", "connect"].contains(arguments[0]),
      let mechanism = Mechanism(rawValue: arguments[1])
    else { throw ChannelFailure(description: "listen or connect, over what, and where?") }
    isListener = arguments[0] == "listen"
    self.mechanism = mechanism
    path = FilePath(arguments[2])
  }

  /// So many channels, all to the same other program.
  func meet(times count: Int) throws -> [Channel] {
    guard isListener else { return try (0..<count).map { _ in try connect() } }
    let listener = try ChannelListener(at: .path(path), offering: mechanism)
    return try (0..<count).map { _ in try listener.accept(timeout: patience) }
  }

  func meet() throws -> Channel { try meet(times: 1)[0] }

  /// The other program may not be as far yet.
  private func connect() throws -> Channel {
    for _ in 0..<10_000 {
      do {
        return try Channel(connectingTo: .path(path), over: mechanism, timeout: patience)
      } catch {
        guard [.noSuchFileOrDirectory, .connectionRefused].contains(error.systemError?.errno) else { throw error }
      }
      usleep(1000)
    }
    throw ChannelFailure(description: "nobody listens at \(path)")
  }
}

/// How long one waits for the other.
let patience = Duration.seconds(20)

/// Root is handed an end by an ordinary user, who names queues that are root's.
func channelStrangeQueue() throws {
  guard geteuid() == 0 else { return say("needs root") }
  var pair = try Channel.pair(over: .systemVMessageQueue)
  let own = try pair.takeFirst()
  let nobody: uid_t = 65534
  guard seteuid(nobody) == 0 else { throw ChannelFailure(description: "seteuid") }
  var sockets = try SocketPair()
  guard seteuid(0) == 0 else { throw ChannelFailure(description: "seteuid") }
  let strange = try ChannelEndpoint(
    description: own.description,
    descriptors: received([dup(sockets.first.fileDescriptor.rawValue)]))
  do {
    _ = try Channel(strange)
    say("opened")
  } catch { say("\(error.code == .malformedMessage ? "refused" : "\(error)")") }
  try sockets.first.close()
  // An end that root has made, and another process describes.
  let described = try ChannelEndpoint(
    description: own.description, descriptors: received(own.fileDescriptors.map { dup($0.rawValue) }))
  let first = try Channel(described)
  let second = try Channel(pair.takeSecond())
  try first.send([1], timeout: .seconds(20))
  say("\(try second.receive(timeout: .seconds(20)) ?? [])")
}

/// Descriptors as they come from a socket.
private func received(_ numbers: [CInt]) throws -> ReceivedDescriptors {
  let sockets = try SocketPair()
  try sockets.first.write([1], passing: numbers.map(FileDescriptor.init(rawValue:)))
  for number in numbers { close(number) }
  var descriptors = ReceivedDescriptors(atMost: 16)
  _ = try sockets.second.read(upTo: 1, receiving: &descriptors)
  return descriptors
}
