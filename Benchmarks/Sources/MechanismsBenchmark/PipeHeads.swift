import BenchmarkSupport
import CLoops
import Glibc
import Interprocess

/// What a head of four bytes before each message of 4 KiB costs in a pipe, in C alone: it takes a page of its own, or has the
/// kernel copy the rest from an odd address. No channel that frames its messages carries more.
enum PipeHeads {
  static let name = "pipe, 4 KiB in C"
  private static let page = 4096
  private static let head = 4

  static func run(rounds: Int, _ table: inout Table) throws {
    let pipe = try Pipe()
    _ = try pipe.writer.setCapacity(1 << 17)
    let (reader, writer) = (pipe.reader.descriptor.rawValue, pipe.writer.descriptor.rawValue)
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2 * page, alignment: page)
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 10 * page, alignment: page)
    defer {
      bytes.deallocate()
      buffer.deallocate()
    }
    bytes.initializeMemory(as: UInt8.self, repeating: 7, count: 2 * page)
    var (plain, framed) = (Samples(), Samples())
    for round in 0..<rounds {
      for isFramed in [round.isMultiple(of: 2), !round.isMultiple(of: 2)] {
        let size = isFramed ? page + head : page
        // In the middle of a page, where copies from a page's beginning do not meet it.
        let run = { c_pages(reader, writer, bytes, buffer + page / 2, size, 800) }
        let reason = isFramed ? framed.time(run) : plain.time(run)
        if reason != 0 { throw Failure("\(name): \(String(cString: strerror(reason)))") }
      }
    }
    table.add("\(name): without a head / with", plain, over: framed, .none)
  }
}
