import BenchmarkSupport
import CLoops
import Glibc

/// What a head of four bytes before each message costs in a pipe or a socket, in C alone: the kernel copies what does not lie
/// in a page as it did before more slowly. No channel that frames its messages carries more.
enum StreamHeads {
  static let name = "heads in C"

  private static let cases: [(name: String, isSocket: Bool, processor: CInt, bytes: Int)] = [
    ("pipe, 4 KiB, two processors", false, 1, 4096), ("pipe, 64 KiB, one processor", false, 0, 1 << 16),
    ("socket, 4 KiB, two processors", true, 1, 4096), ("socket, 64 KiB, one processor", true, 0, 1 << 16),
  ]

  private static let ways = [
    c_head, c_head | c_head_in_two_pieces, c_head | c_head_read_ahead,
    c_head | c_head_in_two_pieces | c_head_read_ahead,
  ]

  static func run(rounds: Int, _ table: inout Table) throws {
    for (name, isSocket, processor, bytes) in cases {
      func time(_ ways: Int) throws -> Double {
        let time = c_heads(isSocket ? 1 : 0, CInt(ways), processor, bytes, bytes > 4096 ? 1000 : 10_000)
        if time < 0 { throw Failure("\(self.name), \(name): \(String(cString: strerror(CInt(-time))))") }
        return time
      }
      var plain: [Double] = []
      var framed = [[Double]](repeating: [], count: ways.count)
      for _ in 0..<max(5, rounds / 10) {
        // Without heads it may be read ahead as well.
        plain.append(min(try time(0), try time(c_head_read_ahead)))
        for (index, way) in ways.enumerated() { framed[index].append(try time(way)) }
      }
      let best = framed.min { Samples(of: $0).median < Samples(of: $1).median } ?? []
      table.add("\(self.name), \(name): without / with", Samples(of: plain), over: Samples(of: best), .none)
    }
  }
}
