import Glibc
import Interprocess
import SystemPackage

/// What strangers say to each other: some of it longer than the mechanism, or a piece of a ring, takes at once.
private let sizes = [0, 1, 8192, 8193, 300_000]

private func content(_ size: Int) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    for index in 0..<size { buffer[index] = UInt8(truncatingIfNeeded: index &* 31 ^ index >> 8) }
    count = size
  }
}

/// One side of a conversation: the one that connects asks, the one that listens answers, in a task. Arguments: those of
/// ``Stranger``, and which of the two closes first.
func channelTalk(_ arguments: [String]) throws {
  let stranger = try Stranger(arguments)
  let closesFirst = arguments.last == arguments.first
  guard stranger.isListener else { return try ask(stranger.meet(), closesFirst) }
  try task {
    let listener = try ChannelListener(at: .path(stranger.path), offering: stranger.mechanism)
    try await answer(listener.accept(timeout: patience), closesFirst)
  }
}

private func ask(_ channel: Channel, _ closesFirst: Bool) throws {
  if channel.mechanism.carriesDescriptors { try askWithDescriptors(channel) }
  for size in sizes {
    try channel.send(content(size), timeout: patience)
    guard channel.mechanism.isTwoWay else { continue }
    try expect(channel.receive(timeout: patience), content(size))
  }
  if !closesFirst { say(try channel.receive(timeout: patience) == nil ? "the end" : "more came") }
  channel.close()
}

private func answer(_ channel: Channel, _ closesFirst: Bool) async throws {
  if channel.mechanism.carriesDescriptors { try await answerWithDescriptors(channel) }
  var count = 0
  for try await message in channel.messages {
    try expect(message, content(sizes[count % sizes.count]))
    count += 1
    if channel.mechanism.isTwoWay { try await channel.send(message, timeout: patience) }
    if closesFirst && count == sizes.count { break }
  }
  say("\(count) messages")
  channel.close()
}

/// A pipe's end goes there and comes back, and an array in memory is there and here.
private func askWithDescriptors(_ channel: Channel) throws {
  var pipe = try Pipe()
  try channel.send([1], passing: [pipe.writer.fileDescriptor], timeout: patience)
  try pipe.writer.close()
  var received = ReceivedDescriptors(atMost: 1)
  try expect(channel.receive(receiving: &received, timeout: patience), [2])
  guard let writer = received.takeFirst() else { throw ChannelFailure(description: "no descriptor came back") }
  try Pipe.Writer(adopting: writer).write(Array(" and back".utf8))
  // The end comes when nobody has a copy any more.
  let text = try pipe.reader.read(exactly: 14, timeout: patience) ?? []
  let end = try pipe.reader.read(upTo: 1, timeout: patience)
  say(String(decoding: text + end, as: UTF8.self))

  let numbers = try SharedArray(repeating: 1.5, count: 1000)
  try channel.send(encoding: numbers, timeout: patience)
  try expect(channel.receive(timeout: patience), [3])
  say("\(numbers[999])")
}

private func answerWithDescriptors(_ channel: Channel) async throws {
  var received = ReceivedDescriptors(atMost: 1)
  try await expect(channel.receive(receiving: &received, timeout: patience), [1])
  guard let writer = received.takeFirst() else { throw ChannelFailure(description: "no descriptor came") }
  var pipe = Pipe.Writer(adopting: writer)
  try await pipe.write(Array("there".utf8))
  try await channel.send([2], passing: [pipe.fileDescriptor], timeout: patience)
  try pipe.close()

  guard let numbers = try await channel.receive(SharedArray<Double>.self, timeout: patience) else {
    throw ChannelFailure(description: "no array came")
  }
  numbers[999] *= 5
  try await channel.send([3], timeout: patience)
}

private func expect(_ message: [UInt8]?, _ expected: [UInt8]) throws {
  guard message != expected else { return }
  throw ChannelFailure(description: "\(message?.count ?? -1) bytes came, and not the \(expected.count) that were sent")
}
