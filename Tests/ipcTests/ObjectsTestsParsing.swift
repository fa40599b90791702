import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@testable import ipc

@Suite("What the kernel prints, and what the tool prints", .blocking)
struct ObjectsTestsParsing {
  @Test("sockets are told by their state, and paths keep their spaces and line breaks")
  func sockets() {
    let text = """
      Num       RefCount Protocol Flags    Type St Inode Path
      0000000094c34113: 00000003 00000000 00000000 0001 03   140
      000000002a762ee6: 00000002 00000000 00010000 0001 01 98724 /tmp/t  sock
      more: 1
      000000008f1a76ca: 00000002 00000000 00000000 0002 01    27 /tmp/t.dgram
      00000000ef3ba5df: 00000003 00000000 00000000 0001 03 98725 @abc@d

      """
    let entries = UnixSocketEntry.parse(text)
    #expect(entries.map(\.name) == ["/tmp/t  sock\nmore: 1", "/tmp/t.dgram", "@abc@d"])
    #expect(entries.map(\.inode) == [98724, 27, 98725])
    #expect(entries.map(\.isListening) == [true, false, false])
    #expect(UnixSocketEntry.parse("").isEmpty)
  }

  @Test("a System V table is read by its headings")
  func systemV() {
    let text = """
             key      msqid perms      cbytes       qnum lspid lrpid
               0          2  1600       16384       1024  4879  8479
      -559038737          3   640           0          0     0     0
      """
    let rows = SystemVTable(parsing: text).rows
    #expect(rows.map { $0["msqid"] } == [2, 3])
    #expect(rows.map(\.key) == [nil, SystemVKey(exactly: 0xdead_beef as UInt32)])
    #expect(rows.map(\.permissions) == [0o1600, 0o640])
    #expect(rows[0]["qnum"] == 1024)
    #expect(rows[0]["no such heading"] == 0)
  }

  @Test("mappings give their file, and System V segments their number")
  func mappings() {
    let text = """
      7f55dbc9c000-7f55dbc9d000 rw-s 00000000 00:01 2                          /SYSV00001234 (deleted)
      7f55dbc9d000-7f55dbc9e000 rw-s 00000000 00:01 7                          /memfd:SYSV (deleted)
      7f55dbc9e000-7f55dbc9f000 rw-p 00000000 00:00 0
      7f55dbca0000-7f55dbca1000 r--s 00001000 103:1a 4294967299                /dev/shm/a b
      """
    let mappings = Array(MappingLines(Array(text.utf8)))
    #expect(mappings.map(\.segment) == [2, nil, nil])
    #expect(mappings.last?.file == FileIdentity(device: UInt(gnu_dev_makedev(0x103, 0x1a)), inode: 4_294_967_299))
  }

  @Test("a process's name may look like the rest of its line")
  func processStatus() throws {
    let rest = "1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0"
    #expect(try !ProcessStatus(parsing: "7 (a) Z 1) S \(rest) 1 0").isZombie)
    #expect(try ProcessStatus(parsing: "7 (a) Z \(rest) 1 0").isZombie)
    #expect(try !ProcessStatus(parsing: "7 (a) Z \(rest) 2 0").isZombie)
    #expect(throws: Errno.invalidArgument) { try ProcessStatus(parsing: "7 (a) S") }
    #expect(getpid().isLiveProcess)
    #expect(!CInt(0).isLiveProcess)
  }

  @Test("names come out of JSON as they went in, and do not command a terminal")
  func escapes() throws {
    let name = "/q\"\\\u{1B}[2J\n\u{7F}é\u{202E}"
    #expect(name.printable == "/q\"\\\\u{1B}[2J\\u{A}\\u{7F}é\\u{202E}")
    func list(_ text: String) -> String { "bytes([\(text.utf8.map { String($0) }.joined(separator: ","))])" }
    let python = try runProgram([
      "python3", "-c", "import json; assert json.loads(\(list(name.json))) == \(list(name)).decode()",
    ])
    #expect(python.exitCode == 0, "\(python.errors)")
  }

  @Test(
    "an age is given in its largest unit",
    arguments: [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")])
  func ages(seconds: Int, text: String) {
    #expect(ListedObject.age(seconds) == text)
  }
}
