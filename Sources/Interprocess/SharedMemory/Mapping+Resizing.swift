import CInterprocess
import Glibc
import SystemPackage

extension Mapping {
  /// Gives the file or memory behind a descriptor another size, and maps it anew.
  ///
  /// The old addresses stay mapped for as long as locks lie there: they hold on to their region, so memory that grows
  /// takes nothing away from them. `mremap` would move it under their feet.
  mutating func resize(
    _ descriptor: borrowing OwnedDescriptor, to byteCount: Int, _ object: @autoclosure () -> String
  ) throws(InterprocessError) {
    // Another process may have resized it since it was mapped here.
    let current = try descriptor.size(object())
    if byteCount < current {
      // First the mapping, then the file: in between nothing that is mapped here is missing.
      let smaller = try Mapping(of: descriptor, byteCount: byteCount, readOnly: isReadOnly, object())
      try systemCall("ftruncate", object(), remedy: resizingRemedy) { ftruncate(descriptor.rawValue, byteCount) }
      self = smaller
    } else {
      try descriptor.allocate(byteCount, object())
      do {
        self = try Mapping(of: descriptor, byteCount: byteCount, readOnly: isReadOnly, object())
      } catch {
        // As it was, unless another process has given it a size of its own since.
        if current < byteCount, try descriptor.size(object()) == byteCount { ftruncate(descriptor.rawValue, current) }
        throw error
      }
    }
  }

  /// Maps as much as the file or memory behind a descriptor has now.
  mutating func followSize(
    of descriptor: borrowing OwnedDescriptor, _ object: @autoclosure () -> String
  ) throws(InterprocessError) {
    let byteCount = try descriptor.size(object())
    if byteCount == self.byteCount { return }
    self = try Mapping(of: descriptor, byteCount: byteCount, readOnly: isReadOnly, object())
  }
}

/// What to do about the reasons that changing a size fails for.
func resizingRemedy(for reason: Errno) -> String? {
  switch reason {
  case .badFileDescriptor, .invalidArgument: "it was opened read-only, or this size is not possible for it"
  case .notPermitted: "it is sealed against this; create it with other seals"
  default: nil
  }
}
