/// A dictionary whose keys are integers for CBOR too.
protocol IntegerKeyedDictionary {}
extension Dictionary: IntegerKeyedDictionary where Key == Int {}

/// Learns the type of key that dictionaries use: the standard library does not name it, and it has an `intValue` for
/// strings of digits too, so that a dictionary's `"5"` and `"05"` would both become the integer 5.
enum DictionaryKeyProbe {
  static let keyType: ObjectIdentifier? = {
    let probe = Probe()
    try? [String: Int]().encode(to: probe)
    return probe.keyType
  }()

  private final class Probe: Encoder {
    var keyType: ObjectIdentifier?
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    private let scope = EncodingScope(EncodingState(maximumDepth: 1, userInfo: [:]), CBORBuffer(capacity: 16))

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
      keyType = ObjectIdentifier(type)
      return KeyedEncodingContainer(KeyedWriter(scope: scope, usesOnlyText: true))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedWriter(scope: scope) }
    func singleValueContainer() -> any SingleValueEncodingContainer { SingleWriter(scope: scope) }
  }
}
