import Glibc
import Interprocess

/// Messages of megabytes whose first element is already wrong, or that are full of keys nobody can ask for, with little
/// memory to be had: no more is taken than what was decoded needs.
func codecClaims() throws {
  struct Anything: Decodable {
    enum Key: String, CodingKey { case key }
    init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: Key.self).contains(.key) }
  }
  let count = 16 << 20
  let bigEndian = (0..<4).reversed().map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
  // Of nulls, or of texts.
  let array = [0x9A] + bigEndian + [UInt8](repeating: 0xF6, count: count)
  let pairs = 1 << 20
  let map = [0xBA, 0, 0x10, 0, 0] + [UInt8](repeating: 0xF4, count: 2 * pairs)
  limitAddresses(to: 24 << 20)
  let types: [any Decodable.Type] = [[Int].self, [String].self, [Bool].self, [Double].self, ContiguousArray<Int>.self]
  for type in types {
    do {
      _ = try CBORDecoder().decode(type, from: array)
      say("\(type) was decoded")
    } catch is DecodingError {}
  }
  _ = try CBORDecoder().decode(Anything.self, from: map)
  say("done")
}
