import TestSupport
import Testing

@Suite("The article for those who come from posix_ipc and sysv_ipc", .blocking)
struct ComingFromPythonTests {
  @Test("has a row for every name that the two have", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func names() throws {
    let article = "\(Package.root)/Sources/Interprocess/Interprocess.docc/ComingFromPosixIpcAndSysvIpc.md"
    let lines = try Command.run("/bin/cat", [article]).lines
    var section = ""
    var rows: Set<String> = []
    for line in lines {
      if line.hasPrefix("## ") { section = String(line.dropFirst(3).prefix { $0 != ":" }) }
      if line.hasPrefix("| `") { rows.insert(section + " " + line.dropFirst(3).prefix { $0 != "`" }) }
    }
    let names = try PythonPeer.run("names").split(separator: "\n").map(String.init)
    #expect(names.count == 148)
    #expect(names.filter { !rows.contains($0) } == [])
    #expect(rows.count == 148)
  }
}
