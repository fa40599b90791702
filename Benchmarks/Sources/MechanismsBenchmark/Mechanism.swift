/// Something that carries messages, or is released and acquired, within this process: the same work in Swift and in C, on
/// the same object.
protocol Mechanism: AnyObject {
  /// What the table calls it.
  static var name: String { get }

  /// The same in Python, where there is such a module.
  static var python: PythonPeer? { get }

  /// How many times a round does the work: about a millisecond's worth, so that few rounds are interrupted.
  static var count: Int { get }

  init() throws

  func runSwift(_ count: Int) throws

  /// The same by the forms that do not wait, and by those that would suspend: for what they allocate. Locks have none.
  static var isLock: Bool { get }
  func runTrying(_ count: Int) throws
  func runSuspending(_ count: Int) async throws

  /// The same in C: what Swift is measured against, and then what is printed for comparison.
  var peers: [CPeer] { get }
}

/// A loop of CLoops.
struct CPeer {
  /// What the table calls it.
  var name = "C"

  /// - Returns: 0, or an errno.
  let run: (Int) -> CInt
}

/// A loop of Peers/mechanisms.py.
struct PythonPeer {
  let module: String
  let kind: String

  /// How many times as fast Swift has to be; `nil` where it is printed for comparison.
  let factor: Double?
}

extension Mechanism {
  static var isLock: Bool { false }
  func runTrying(_ count: Int) throws {}
  func runSuspending(_ count: Int) async throws {}

  static var python: PythonPeer? { nil }
  static var count: Int { 1000 }
}
