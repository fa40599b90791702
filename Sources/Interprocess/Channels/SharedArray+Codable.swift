/// A shared array travels in a ``Channel``'s messages, over a mechanism that carries descriptors, and as an argument or a
/// result of a worker's call: both sides then share the elements. It is written as a map: the number of its descriptor among the message's, and what its header says.
extension SharedArray: Codable {
  private enum CodingKeys: String, CodingKey {
    case descriptor, stride, count
  }

  /// - Throws: `EncodingError` outside of these, and for an array in memory that cannot be passed.
  public func encode(to encoder: any Encoder) throws {
    func refused(_ reason: String) -> EncodingError {
      .invalidValue(self, EncodingError.Context(codingPath: encoder.codingPath, debugDescription: reason))
    }
    guard let passed = encoder.userInfo[.passedDescriptors] as? PassedDescriptors else {
      throw refused("a SharedArray travels in the messages of a Channel, and in the calls of a worker, only")
    }
    guard let passable else {
      throw refused("this SharedArray's memory has no descriptor of its own; make it by SharedArray(repeating:count:)")
    }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(passed.append(passable), forKey: .descriptor)
    try container.encode(MemoryLayout<Element>.stride, forKey: .stride)
    try container.encode(count, forKey: .count)
  }

  /// - Throws: `DecodingError` when the descriptor did not come, or is not of sealed, writable memory with an array of
  ///   such elements in it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let index = try container.decode(Int.self, forKey: .descriptor)
    let stride = try container.decode(Int.self, forKey: .stride)
    let count = try container.decode(Int.self, forKey: .count)
    func refused(_ reason: String, _ error: (any Error)? = nil) -> DecodingError {
      .dataCorrupted(
        DecodingError.Context(codingPath: decoder.codingPath, debugDescription: reason, underlyingError: error))
    }
    guard let arrived = decoder.userInfo[.arrivedDescriptors] as? ArrivedDescriptors else {
      throw refused("a SharedArray travels in the messages of a Channel, and in the calls of a worker, only")
    }
    do {
      guard let memory = try arrived.takeMemory(index) else { throw refused("descriptor \(index) did not come") }
      try self.init(in: memory)
    } catch let error as DecodingError {
      throw error
    } catch {
      throw refused("\(error)", error)
    }
    guard stride == MemoryLayout<Element>.stride, count == self.count else {
      throw refused("\(count) elements of \(stride) bytes were announced, and it has \(self.count)")
    }
  }
}
