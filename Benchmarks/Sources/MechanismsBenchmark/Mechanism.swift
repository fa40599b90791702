/// Something that carries messages, or is released and acquired, within this process: the same work in Swift and in C, on
/// the same object.
protocol Mechanism: AnyObject {
  /// What the table calls it.
  static var name: String { get }

  /// The Python modules that have it, as Peers/mechanisms.py knows them; and how many times as fast Swift has to be.
  static var python: (module: String, kind: String, factor: Double)? { get }

  /// How many times a round does the work: about a millisecond's worth, so that few rounds are interrupted.
  static var count: Int { get }

  init() throws

  func runSwift(_ count: Int) throws

  /// The peers in C, which the table names where there is more than one. Each returns 0, or an errno.
  var peers: [(name: String, run: (Int) -> CInt)] { get }
}

extension Mechanism {
  static var python: (module: String, kind: String, factor: Double)? { nil }
  static var count: Int { 1000 }
}
