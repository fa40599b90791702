import Glibc
import Interprocess
import SystemPackage

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
