import Distributed
import Glibc
public import Interprocess
public import Workers

/// What the tests of large arguments call.
public distributed actor Large: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  private var kept: [UInt8] = []
  private var opened: [CInt] = []

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func count(_ bytes: [UInt8]) -> Int { bytes.count }
  public distributed func ends(_ bytes: [UInt8]) -> [UInt8] { [bytes.first ?? 0, bytes.last ?? 0] }
  public distributed func echo(_ numbers: [Double]) -> [Double] { numbers }
  public distributed func optional(_ numbers: [Double]?) -> [Double]? { numbers }
  public distributed func manyShared(_ count: Int) throws -> [SharedArray<Int32>] {
    try (0..<count).map { try SharedArray(repeating: Int32($0), count: 10) }
  }
  public distributed func make(_ count: Int, _ value: Double) -> [Double] { Array(repeating: value, count: count) }
  public distributed func makePoints(_ count: Int) -> [Point] { Array(repeating: Point(x: 1, y: 2), count: count) }
  public distributed func points(_ points: [Point]) -> Double { points.reduce(0) { $0 + $1.x * $1.y } }
  public distributed func lengths(_ first: [UInt8], _ second: [Int16], _ third: String) -> [Int] {
    [first.count, second.count, third.utf8.count]
  }

  /// Takes an argument in whose way is all that it has of weight.
  public distributed func receive(_ ballast: Ballast) -> Bool { ballast.isThrownOff }

  /// Whether the array lies in the pool's memory.
  public distributed func isLent(_ bytes: [UInt8]) -> Bool {
    let address = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    return mappings().contains { $0.addresses.contains(address) && $0.line.contains("memfd:interprocess-arena") }
  }

  /// How many blocks of the pool's this process has mapped.
  public distributed func blocks() -> Int { mappings().filter { $0.line.contains("memfd:interprocess-arena") }.count }

  /// The memory for results that this process has: what each is called by the system, which no other is.
  public distributed func resultMemory() -> [String] {
    mappings().filter { $0.line.contains("memfd:interprocess-result") }.map { mapping in
      mapping.line.split(separator: " ").dropFirst(4).prefix(1).joined()
    }
  }

  public distributed func keep(_ bytes: [UInt8]) { kept = bytes }
  public distributed func keptSum() -> Int { kept.reduce(0) { $0 + Int($1) } }

  /// Changes its copy, and tells what the argument has then.
  public distributed func change(_ bytes: [UInt8]) -> [UInt8] {
    var copy = bytes
    for index in copy.indices { copy[index] &+= 1 }
    return [copy[0], bytes[0]]
  }

  public distributed func first(_ array: SharedArray<Double>) -> Double { array[0] }

  /// Doubles the elements where they are.
  public distributed func double(_ first: SharedArray<Double>, _ second: SharedArray<Double>) {
    for array in [first, second] { for index in array.indices { array[index] *= 2 } }
  }

  public distributed func process() -> Int32 { getpid() }

  /// How many shared arrays this process has mapped.
  public distributed func sharedArrays() -> Int { mappings().count { $0.line.contains("memfd:interprocess-array") } }

  public distributed func shared(_ count: Int) throws -> [SharedArray<Int32>] {
    [try SharedArray(repeating: 1, count: count), try SharedArray(repeating: 2, count: count)]
  }
  public distributed func same(_ array: SharedArray<Double>) -> SharedArray<Double> { array }
  public distributed func descriptors() -> Int { Int(run("ls /proc/\(getpid())/fd | wc -l")) ?? -1 }

  /// Opens files until no descriptor is left, and closes them again.
  public distributed func openAll() -> Int {
    while case let descriptor = open("/dev/null", O_RDONLY), descriptor >= 0 { opened.append(descriptor) }
    return opened.count
  }

  public distributed func closeAll() {
    for descriptor in opened { close(descriptor) }
    opened = []
  }

  /// Ends its worker until that has been done twice.
  public distributed func dieFirst(_ array: SharedArray<Double>) {
    if array[0] == 3 { return }
    array[0] += 1
    kill(getpid(), SIGKILL)
  }

  public distributed func die(_ bytes: [UInt8]) { kill(getpid(), SIGKILL) }
  public distributed func sleep(_ bytes: [UInt8], milliseconds: Int) async throws -> UInt8 {
    try await Task.sleep(for: .milliseconds(milliseconds))
    return bytes.reduce(bytes[0]) { $0 == $1 ? $0 : 255 }
  }

  private func mappings() -> [(addresses: Range<UInt>, line: String)] {
    run("cat /proc/\(getpid())/maps").split(separator: "\n").compactMap { line in
      let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
      return ends.count == 2 && ends[0] < ends[1] ? (ends[0]..<ends[1], String(line)) : nil
    }
  }
}

/// How many blocks of the pool's its worker has mapped.
public struct BlocksMapped: WorkerFunction {
  public static func call(_ bytes: [UInt8]) -> Int {
    guard let file = fopen("/proc/self/maps", "r") else { return -1 }
    defer { fclose(file) }
    var (line, count) = ([CChar](repeating: 0, count: 512), 0)
    while fgets(&line, CInt(line.count), file) != nil { if strstr(line, "interprocess-arena") != nil { count += 1 } }
    return count
  }
}

public struct Point: Codable, Sendable, Equatable {
  public let x: Double
  public let y: Double

  public init(x: Double, y: Double) {
    self.x = x
    self.y = y
  }
}

public enum Ramp: WorkerFunction {
  public static func call(_ count: Int) -> [Int32] { Array(0..<Int32(count)) }
}

public enum Length: WorkerFunction {
  public static func call(_ bytes: [UInt8]) -> Int { bytes.count }
}

/// Travels with all its words, and leaves them there.
public struct Ballast: Codable, Sendable {
  private enum CodingKeys: CodingKey { case words }

  private let words: [UInt64]
  public var isThrownOff: Bool { words.isEmpty }

  public init(byteCount: Int) { words = [UInt64](repeating: 1, count: byteCount / 8) }

  public init(from decoder: any Decoder) throws {
    _ = try decoder.container(keyedBy: CodingKeys.self)
    words = []
  }
}
