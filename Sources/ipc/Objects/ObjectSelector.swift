import ArgumentParser

/// What a listing is asked for: all objects of a kind, or one object.
enum ObjectSelector: Hashable {
  case kind(ObjectKind)
  case address(ObjectAddress)

  /// - Parameter text: `KIND` or an address.
  init(parsing text: String) throws {
    if text.contains(":") {
      let address = try ObjectAddress(parsing: text)
      try Self.checkThatItIsListed(address.kind)
      self = .address(address)
    } else {
      let kind = try ObjectKind(named: text)
      try Self.checkThatItIsListed(kind)
      self = .kind(kind)
    }
  }

  private static func checkThatItIsListed(_ kind: ObjectKind) throws {
    guard kind == .namedPipe else { return }
    throw ValidationError(
      "\(kind.rawValue): a FIFO is a file: find / -xdev -type p lists them, fuser PATH says who has one open, rm removes"
    )
  }

  var kind: ObjectKind {
    switch self {
    case .kind(let kind): kind
    case .address(let address): address.kind
    }
  }

  var address: ObjectAddress? {
    if case .address(let address) = self { address } else { nil }
  }
}
