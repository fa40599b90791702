import Glibc
public import Interprocess
public import Workers

/// A number that fails at the places of its way that it names.
public struct Fragile: Codable, Sendable, Equatable {
  public enum Place: String, Codable, Sendable {
    case nowhere, encodedHere, decodedThere, crashesDecodedThere, encodedThere, crashesEncodedThere, decodedHere, slow
  }

  public var number: Int
  public var place: Place
  /// Whether it has been to the worker, or is there.
  public var hasTravelled = false

  public init(_ number: Int, _ place: Place = .nowhere) {
    self.number = number
    self.place = place
  }

  private enum CodingKeys: CodingKey {
    case number, place, hasTravelled
  }

  public func encode(to encoder: any Encoder) throws {
    switch (place, hasTravelled) {
    case (.encodedHere, _), (.encodedThere, true): throw Refusal(why: "\(place.rawValue)")
    case (.crashesEncodedThere, true): abort()
    default: break
    }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(number, forKey: .number)
    try container.encode(place, forKey: .place)
    try container.encode(hasTravelled, forKey: .hasTravelled)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    number = try container.decode(Int.self, forKey: .number)
    place = try container.decode(Place.self, forKey: .place)
    hasTravelled = try container.decode(Bool.self, forKey: .hasTravelled)
    switch (place, hasTravelled) {
    case (.decodedThere, false), (.decodedHere, true): throw Refusal(why: "\(place.rawValue)")
    case (.crashesDecodedThere, false): abort()
    default: break
    }
  }
}

/// Gives the number back, from the worker.
public enum Travel: WorkerFunction {
  public static func call(_ input: Fragile) throws -> Fragile {
    if input.place == .slow { while true { usleep(1000) } }
    var output = input
    output.hasTravelled = true
    return output
  }
}

/// Says in its journal that it is at an element far beyond its chunk, and dies.
public enum Misleading: WorkerFunction {
  public static func call(_ number: Int) -> Int {
    guard number == 50 else { return number }
    ChannelObjects.writeJournal(element: .max / 2)
    _exit(1)
  }
}

/// Doubles the elements where they are, and gives the array back.
public enum DoubleShared: WorkerFunction {
  public static func call(_ array: SharedArray<Double>) -> SharedArray<Double> {
    for index in array.indices { array[index] *= 2 }
    return array
  }
}
