import Interprocess

/// What a pool tells a new worker about itself, as the setup of its process.
struct WorkerSetup {
  /// The name of the actor's type.
  var actor: String
  /// The worker's slot on the status page.
  var slot: Int
  /// The description of its end of the channel.
  var channel: [UInt8]
  /// Longer frames are not sent.
  var maximumMessageSize: Int

  func encoded() -> [UInt8] {
    var writer = FieldWriter()
    writer.put(actor)
    writer.put(slot)
    writer.put(channel)
    writer.put(maximumMessageSize)
    return writer.bytes
  }

  init(actor: String, slot: Int, channel: [UInt8], maximumMessageSize: Int) {
    self.actor = actor
    self.slot = slot
    self.channel = channel
    self.maximumMessageSize = maximumMessageSize
  }

  init(decoding bytes: [UInt8]) throws(FieldReader.Malformed) {
    var reader = FieldReader(bytes)
    actor = try reader.text()
    slot = try reader.number()
    channel = try reader.blob()
    maximumMessageSize = try reader.number()
  }
}
