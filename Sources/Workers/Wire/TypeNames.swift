import Interprocess
import Synchronization
import SystemPackage

/// The names by which a worker finds the types of this program. Looking one up takes microseconds, so they are kept.
enum TypeNames {
  // A class: it is handed on with each call.
  final class Name: Sendable {
    /// By which the other process finds it.
    let mangled: String
    /// For people.
    let display: String
    /// How the frames of a ``WorkerFunction``'s calls begin: they are the same each time but for the id.
    let functionHead: [UInt8]
    let elementHead: [UInt8]

    init(mangled: String, display: String) {
      self.mangled = mangled
      self.display = display
      functionHead = Self.head(.function, mangled)
      elementHead = Self.head(.element, mangled)
    }

    private static func head(_ kind: Frame.Kind, _ name: String) -> [UInt8] {
      var head = Frame.begin(kind, 0)
      head.append(part: name)
      return head
    }
  }

  private struct Key: Hashable {
    let type: ObjectIdentifier

    // Dictionaries ask for this one. The program's own types are not chosen so that they collide, which is what the slow
    // hash is good for.
    func _rawHashValue(seed: Int) -> Int { CountedID.hash(Int(bitPattern: type), seed) }
  }

  private static let known = Mutex<[Key: Name]>([:])

  /// - Throws: `Errno.invalidArgument` for a type that cannot be found by its name.
  static func name(of type: any Any.Type) throws(InterprocessError) -> Name {
    if let name = known.withLock({ $0[Key(type: ObjectIdentifier(type))] }) { return name }
    guard let mangled = _mangledTypeName(type), let found = _typeByName(mangled), found == type else {
      throw InterprocessError(
        call: "startWorker", object: "\(type)", errno: .invalidArgument,
        remedy: "the type cannot be found by its name in another process; let it be neither private nor local")
    }
    let name = Name(mangled: mangled, display: "\(type)")
    known.withLock { $0[Key(type: ObjectIdentifier(type))] = name }
    return name
  }
}
