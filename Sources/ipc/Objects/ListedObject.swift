import CInterprocess
import Glibc
import Interprocess

/// One object as `ipc ls` shows it. What is `nil` could not be learnt, or has no meaning for its kind.
struct ListedObject {
  enum Label {
    case name(String)
    /// A private object has no key.
    case systemV(SystemVKey?, id: CInt)
  }

  let kind: ObjectKind
  let label: Label
  var owner: uid_t?
  /// The permission bits.
  var mode: UInt32?
  var bytes: Int?
  var messages: Int?
  /// Seconds since 1970.
  var modified: Int?
  var holders = ObjectHolders.unrecorded
  /// The file behind the name, by which a new object of the same name is told apart.
  var identity: FileIdentity?

  init(_ kind: ObjectKind, _ label: Label) {
    self.kind = kind
    self.label = label
  }

  /// Takes over what a file's status says.
  mutating func describe(by status: stat) {
    owner = status.st_uid
    mode = status.st_mode & 0o7777
    modified = status.st_mtim.tv_sec
    identity = FileIdentity(status)
  }

  /// The shortest address that means this object and no other.
  var address: ObjectAddress {
    switch label {
    case .name(let name): ObjectAddress(kind: kind, place: .name(name))
    case .systemV(let key?, _): ObjectAddress(kind: kind, place: .key(key))
    case .systemV(nil, let id): ObjectAddress(kind: kind, place: .id(id))
    }
  }

  func isMeant(by address: ObjectAddress) -> Bool {
    guard address.kind == kind else { return false }
    switch (label, address.place) {
    case (.name(let name), .name(let wanted)): return name == wanted
    case (.systemV(let key, _), .key(let wanted)): return key == wanted
    case (.systemV(_, let id), .id(let wanted)): return id == wanted
    default: return false
    }
  }

  func isMeant(by selector: ObjectSelector) -> Bool {
    switch selector {
    case .kind(let kind): kind == self.kind
    case .address(let address): isMeant(by: address)
    }
  }

  /// Whether both are the same object, and not only of the same name.
  func isSame(as other: ListedObject) -> Bool {
    switch (label, other.label) {
    case (.systemV(_, let id), .systemV(_, let otherID)): kind == other.kind && id == otherID
    default: address == other.address && identity == other.identity
    }
  }
}

/// Who uses an object now, as far as can be known.
enum ObjectHolders: Equatable {
  /// These live processes, and perhaps others that this user cannot look into.
  case processes([CInt])
  /// Nobody: the object is stale.
  case nobody
  /// Somebody may, whom this user cannot see.
  case unseen
  /// The kernel does not keep it, as for a System V queue that nothing was ever sent to.
  case unrecorded

  /// - Parameter ids: those seen; when there are none, it is as `otherwise` says.
  init(_ ids: some Sequence<CInt>, otherwise: ObjectHolders) {
    let ids = Set(ids).sorted()
    self = ids.isEmpty ? otherwise : .processes(ids)
  }

  var ids: [CInt] {
    if case .processes(let ids) = self { ids } else { [] }
  }

  var isStale: Bool { self == .nobody }
  var areKnown: Bool { self != .unseen && self != .unrecorded }
}

/// A file, whatever it is called: the device it is on and its number there.
struct FileIdentity: Hashable {
  let device: UInt
  let inode: UInt

  init(device: UInt, inode: UInt) {
    self.device = device
    self.inode = inode
  }

  init(_ status: stat) {
    self.init(device: UInt(status.st_dev), inode: UInt(status.st_ino))
  }
}
