import Interprocess
import Synchronization
import SystemPackage

/// The names by which a worker finds the types of this program. Looking one up takes microseconds, so they are kept.
enum TypeNames {
  struct Name: Sendable {
    /// By which the other process finds it.
    let mangled: String
    /// For people.
    let display: String
    /// How the frame of a ``WorkerFunction``'s call begins: it is the same each time but for the id.
    let functionHead: [UInt8]

    init(mangled: String, display: String) {
      self.mangled = mangled
      self.display = display
      var head = Frame.begin(.function, 0)
      head.append(part: mangled)
      functionHead = head
    }
  }

  private static let known = Mutex<[ObjectIdentifier: Name]>([:])

  /// - Throws: `Errno.invalidArgument` for a type that cannot be found by its name.
  static func name(of type: any Any.Type) throws(InterprocessError) -> Name {
    if let name = known.withLock({ $0[ObjectIdentifier(type)] }) { return name }
    guard let mangled = _mangledTypeName(type), let found = _typeByName(mangled), found == type else {
      throw InterprocessError(
        call: "startWorker", object: "\(type)", errno: .invalidArgument,
        remedy: "the type cannot be found by its name in another process; let it be neither private nor local")
    }
    let name = Name(mangled: mangled, display: "\(type)")
    known.withLock { $0[ObjectIdentifier(type)] = name }
    return name
  }
}
