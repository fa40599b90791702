import CInterprocess
import Glibc
import SystemPackage

extension SystemVSharedMemory {
  /// At which address a segment is attached, and whether code in it may run.
  public struct Placement: @unchecked Sendable {
    // Sendable: the pointer is an address to ask for, and nothing is read or written through it here.

    /// Further wishes about where and how a segment is attached.
    public struct Options: OptionSet, Hashable, Sendable {
      public let rawValue: CInt

      public init(rawValue: CInt) { self.rawValue = rawValue }

      /// Round the address down to a multiple of `SHMLBA`, the size of a page on most machines. The corresponding C
      /// constant is `SHM_RND`.
      public static let rounding = Options(rawValue: 0o20000)

      /// Code in the segment may run. The corresponding C constant is `SHM_EXEC`.
      public static let executable = Options(rawValue: 0o100000)
    }

    let address: UnsafeMutableRawPointer?
    let flags: CInt

    /// Where the kernel finds room.
    public static var anywhere: Placement { Placement(address: nil, flags: 0) }

    /// Where the kernel finds room, and code in it may run. The corresponding C constant is `SHM_EXEC`.
    public static var anywhereExecutable: Placement {
      Placement(address: nil, flags: Options.executable.rawValue)
    }

    /// At an address where nothing is yet, for memory with pointers into itself; 0 is ``anywhere``.
    public static func at(_ address: UInt, _ options: Options = []) -> Placement {
      Placement(address: UnsafeMutableRawPointer(bitPattern: address), flags: options.rawValue)
    }

    /// At an address, **in place of whatever is mapped there now**, which has to be the caller's own and out of use. The
    /// corresponding C constant is `SHM_REMAP`.
    public static func unsafelyReplacing(_ address: UnsafeMutableRawPointer, _ options: Options = []) -> Placement {
      Placement(address: address, flags: options.rawValue | 0o40000)
    }

    func remedy(for reason: Errno) -> String? {
      guard reason == .invalidArgument, address != nil else { return nil }
      return "there is no segment any more, or it cannot be there: something is, or the address is not a multiple of a "
        + "page (round it with .rounding)"
    }
  }
}
