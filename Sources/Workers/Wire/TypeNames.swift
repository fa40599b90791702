import Interprocess
import Synchronization
import SystemPackage

/// The names by which a worker finds the types of this program. Looking one up takes microseconds, so they are kept.
enum TypeNames {
  private static let known = Mutex<[ObjectIdentifier: String]>([:])

  /// - Throws: `Errno.invalidArgument` for a type that cannot be found by its name.
  static func name(of type: any Any.Type) throws(InterprocessError) -> String {
    if let name = known.withLock({ $0[ObjectIdentifier(type)] }) { return name }
    guard let name = _mangledTypeName(type), let found = _typeByName(name), found == type else {
      throw InterprocessError(
        call: "startWorker", object: "\(type)", errno: .invalidArgument,
        remedy: "the type cannot be found by its name in another process; let it be neither private nor local")
    }
    known.withLock { $0[ObjectIdentifier(type)] = name }
    return name
  }
}
