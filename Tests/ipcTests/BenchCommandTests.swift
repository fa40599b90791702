import Glibc
import Interprocess
import TestSupport
import Testing

@testable import ipc

private let ipc = Package.program("ipc")

@Suite("ipc bench", .blocking, .queues(4))
struct BenchCommandTests {
  private static let cellCount = BenchCell.all(cpus: MachineFacts.read().usableCPUs).count

  @Test(
    "--json has each field of each measurement, and values that can be",
    arguments: [
      ["pipe", "posix-message-queue"], ["file", "ring"], ["system-v-message-queue"], ["anonymous-memory"],
      ["mapped-file", "named-pipe"], ["socket-pair", "system-v-shared-memory"],
    ])
  func json(names: [String]) throws {
    let run = try Command.run(ipc, ["bench", "--quick", "--json"] + names.flatMap { ["--via", $0] })
    #expect(run.exitCode == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(run.lines.count == names.count * Self.cellCount)
    for line in run.lines {
      let object = try #require(try? JSONObject(line))
      #expect(names.contains(object.string("mechanism") ?? ""))
      #expect(BenchCell.Pinning(rawValue: object.string("pinning") ?? "") != nil)
      let measure = try #require(BenchCell.Measure(rawValue: object.string("measure") ?? ""))
      let bytes = try #require(object.number("bytes"))
      #expect((try #require(object.number("value"))) > 0)
      // Both processes can burn 2; but the clocks are read one after the other, and a busy machine may stop one in between.
      #expect(0..<20 ~= (try #require(object.number("cpu"))))
      switch measure {
      case .roundTrip:
        #expect(BenchCell.roundTripSizes.contains(Int(bytes)))
        let (p50, p99) = (try #require(object.number("p50")), try #require(object.number("p99")))
        let p999 = try #require(object.number("p999"))
        #expect(p50 > 0 && p50 <= p99 && p99 <= p999)
      case .throughput:
        #expect(BenchCell.throughputSizes.contains(Int(bytes)))
        #expect(!object.has("p50") && !object.has("p99") && !object.has("p999"))
      }
      let limit = Mechanism(rawValue: object.string("mechanism") ?? "")?.largestMessage ?? .max
      if Int(bytes) > limit {
        #expect(object.isNull("raw") && object.isNull("ratio"))
      } else {
        let (raw, ratio) = (try #require(object.number("raw")), try #require(object.number("ratio")))
        #expect(raw > 0 && ratio > 0)
      }
    }
  }

  @Test("the table has a line for each measurement, and words on what to choose")
  func table() throws {
    let run = try Command.run(ipc, ["bench", "--quick", "--via", "unix-socket"])
    #expect(run.exitCode == 0)
    #expect(run.lines.count { $0.hasPrefix("unix-socket ") } == Self.cellCount)
    #expect(run.lines.contains("To choose here:"))
    for what in ["Small messages", "Large messages", "Strangers"] {
      #expect(run.lines.contains { $0.hasPrefix("\(what): unix-socket; ") })
    }
    #expect(!run.output.contains("\r") && run.errors.isEmpty, "there is no progress where there is no terminal")
  }

  @Test("a message longer than the mechanism takes is shown as such")
  func tooLong() throws {
    let run = try Command.run(ipc, ["bench", "--quick", "--via", "system-v-message-queue"])
    let lines = run.lines.filter { $0.contains("1 MiB one way") }
    #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("too long") })
  }

  @Test("SIGINT leaves what was measured, says how much that is")
  func interrupted() throws {
    let run = try Command.run(ipc, ["bench", "--json", "--via", "system-v-message-queue", "--via", "pipe"]) { id in
      usleep(1_500_000)
      kill(id, SIGINT)
    }
    #expect(run.exitCode == 130)
    #expect(run.lines.allSatisfy { (try? JSONObject($0)) != nil })
    #expect(run.lines.count < 2 * Self.cellCount)
    #expect(run.errors == "ipc: interrupted: \(run.lines.count) of \(2 * Self.cellCount) measurements were made\n")
  }

  /// Runs the program on a terminal of its own, and presses Ctrl-C once it has shown its progress and a result.
  private static let onTerminal = """
    import os, pty, select, sys, time
    child, terminal = pty.fork()
    if child == 0: os.execv(sys.argv[1], sys.argv[1:])
    text, end, pressed = b"", time.monotonic() + 50, False
    while time.monotonic() < end:
      if not select.select([terminal], [], [], 1)[0]: continue
      try: piece = os.read(terminal, 65536)
      except OSError: break
      if not piece: break
      text += piece
      if not pressed and b" measurements done, " in text and b" there and back " in text:
        pressed = os.write(terminal, b"\\x03") == 1
    else:
      os.kill(child, 9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.buffer.write(text)
    sys.exit(code)
    """

  @Test("a terminal shows progress, and Ctrl-C leaves a report of what was measured")
  func terminal() throws {
    let path = "/tmp/ipc-bench-\(UInt32.random(in: 0 ... .max)).html"
    defer { unlink(path) }
    let run = try Command.run(
      "/usr/bin/env",
      ["python3", "-c", Self.onTerminal, ipc, "bench", "--via", "pipe", "--via", "ring", "--html", path])
    #expect(run.exitCode == 130, "\(run.output) \(run.errors)")
    #expect(run.output.contains("\r\u{1B}[Kpipe: ") && run.output.contains(" measurements done, "))
    #expect(run.output.contains(" of \(2 * Self.cellCount) measurements were made"), "\(run.output)")
    let page = try Command.run("/bin/cat", [path]).output
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("</html>") && page.contains("pipe"))
  }

  @Test(
    "where processes may not be pinned only what is free is measured, and that is said",
    .enabled(if: Strace.isAvailable, "\(Strace.absence)"))
  func pinningRefused() throws {
    let run = try Strace.output(
      of: [ipc, "bench", "--quick", "--json", "--via", "pipe"], injecting: "sched_setaffinity:error=EPERM",
      following: true)
    #expect(run.exitCode == 0 && run.errors.contains("sched_setaffinity is refused here"), "\(run.errors)")
    #expect(run.lines.count == Self.cellCount / 3 && run.lines.allSatisfy { $0.contains(#""pinning":"free""#) })
  }

  @Test("a run that ends by itself leaves nothing", .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func clean() throws {
    let run = try Isolated.run(
      [ipc, "bench", "--quick", "--json", "--via", "system-v-message-queue", "--via", "posix-shared-memory"])
    #expect(run.exitCode == 0 && run.output.count == 2 * Self.cellCount, "\(run.errors)")
    #expect(run.left == [])
  }

  @Test("SIGINT leaves no queue", .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func interruptedClean() throws {
    let run = try Isolated.run(
      [ipc, "bench", "--json", "--via", "system-v-message-queue"], options: ["--act", "signal:INT"])
    #expect(run.exitCode == 130)
    #expect(run.left == [])
  }

  @Test(
    "what makes no sense is one line on standard error, and nonzero",
    arguments: [
      (["bench", "--via", "rink"], 64, "did you mean ring?"),
      (["bench", "--via", ""], 64, "there is no such mechanism"),
      (["bench", "--html"], 64, "--html"),
      (["bench", "extra"], 64, "Unexpected argument 'extra'"),
      (["bench", "--html", "/nonexistent/report.html", "--via", "pipe"], 1, "/nonexistent/report.html"),
    ] as [([String], CInt, String)])
  func badInput(arguments: [String], exitCode: CInt, expected: String) throws {
    let run = try Command.run(ipc, arguments)
    #expect(run.exitCode == exitCode)
    #expect(run.output.isEmpty)
    #expect(run.errors.hasPrefix("ipc: ") && run.errors.contains(expected), "\(run.errors)")
    #expect(run.errors.filter(\.isNewline).count == 1)
  }

  @Test("--html writes one well-formed file that asks for no other")
  func html() throws {
    let path = "/tmp/ipc-bench-\(UInt32.random(in: 0 ... .max)).html"
    defer { unlink(path) }
    let run = try Command.run(
      ipc, ["bench", "--quick", "--json", "--via", "pipe", "--via", "posix-message-queue", "--html", path])
    #expect(run.exitCode == 0, "\(run.errors)")
    // An XML parser takes it but for the first line: each element is closed, each special letter escaped.
    let script = """
      import re, sys, xml.etree.ElementTree as tree
      text = open(sys.argv[1], encoding="utf-8").read()
      head, body = text.split("\\n", 1)
      assert head == "<!DOCTYPE html>", head
      page = tree.fromstring(body)
      assert not re.search(r"(src|href)=|https?://|url\\(|@import", text)
      names = [element.tag for element in page.iter()]
      assert names.count("tr") == 1 + int(sys.argv[2]), names.count("tr")
      # Bars of two sizes and two rates; of each mechanism its throughput and its spread.
      assert names.count("svg") == 4 + 2 * 2, names.count("svg")
      for element in page.iter():
        for key in ("x", "y", "width", "height", "x1", "x2", "y1", "y2", "cx", "cy"):
          if element.tag in ("rect", "line", "circle", "text") and key in element.attrib:
            assert 0 <= float(element.attrib[key]) < 2000, (element.tag, element.attrib)
      """
    let check = try Command.run("/usr/bin/env", ["python3", "-c", script, path, String(run.lines.count)])
    #expect(check.exitCode == 0, "\(check.errors)")
  }

  /// Where it is installed: a browser is too much for every run.
  private static let chromium = (try? Command.run("/usr/bin/env", ["which", "chromium"]))?.lines.first

  @Test(
    "a browser shows the page in light, dark and print, asks for nothing and complains of nothing",
    .enabled(if: chromium != nil, "skipped: needs chromium"))
  func browser() throws {
    let chromium = try #require(Self.chromium)
    let folder = "/tmp/ipc-bench-\(UInt32.random(in: 0 ... .max))"
    try #require(mkdir(folder, 0o700) == 0)
    defer { _ = try? Command.run("/bin/rm", ["-rf", folder]) }
    let page = folder + "/report.html"
    let run = try Command.run(ipc, ["bench", "--quick", "--json", "--via", "pipe", "--via", "ring", "--html", page])
    #expect(run.exitCode == 0, "\(run.errors)")
    let common = [
      "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=\(folder)/profile",
      "--window-size=1000,4000", "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    for (name, option) in [
      ("light", "--screenshot=\(folder)/light.png"), ("dark", "--screenshot=\(folder)/dark.png"),
      ("print", "--print-to-pdf=\(folder)/print.pdf"),
    ] {
      let colours = name == "dark" ? ["--blink-settings=preferredColorScheme=0"] : []
      let shown = try Command.run(chromium, common + colours + [option, "file://\(page)"])
      #expect(shown.exitCode == 0 && !shown.errors.contains("CONSOLE"), "\(shown.errors)")
    }
    // What dark and light have in common is not their paper.
    let script = """
      import struct, sys, zlib
      def corner(path):
        data = open(path, "rb").read()
        assert data[:8] == b"\\x89PNG\\r\\n\\x1a\\n", path
        place, packed = 8, b""
        while place < len(data):
          length, kind = struct.unpack(">I4s", data[place:place + 8])
          if kind == b"IDAT": packed += data[place + 8:place + 8 + length]
          place += 12 + length
        # The first pixel of the first line: no filter changes it.
        return sum(zlib.decompressobj().decompress(packed, 4)[1:4])
      light, dark = corner(sys.argv[1] + "/light.png"), corner(sys.argv[1] + "/dark.png")
      assert light > 600 and dark < 200, (light, dark)
      assert open(sys.argv[1] + "/print.pdf", "rb").read().startswith(b"%PDF")
      """
    let check = try Command.run("/usr/bin/env", ["python3", "-c", script, folder])
    #expect(check.exitCode == 0, "\(check.errors)")
  }

  @Test("a peer that is there is measured")
  func peers() throws {
    let run = try Command.run(ipc, ["bench", "--quick", "--json", "--peers", "--via", "pipe"], timeout: .seconds(120))
    #expect(run.exitCode == 0, "\(run.errors)")
    // Python is there, for other tests need it.
    let lines = run.lines.filter { $0.contains("\"python-pipe\"") }
    #expect(lines.count == 18 && lines.allSatisfy { $0.contains("\"raw\":null") }, "\(run.output) \(run.errors)")
  }

  @Test("a peer that is not there is said, and is no failure")
  func absentPeers() throws {
    // Nothing can be compiled, and no Python run, where no program is found.
    let run = try Command.run(
      ipc, ["bench", "--quick", "--peers", "--via", "pipe"], environment: ["PATH": "/nonexistent"])
    #expect(run.exitCode == 0, "\(run.errors)")
    for name in ["zeromq", "nng", "boost-message-queue", "python-pipe"] {
      #expect(run.lines.contains { $0.hasPrefix("\(name): not measured: ") }, "\(run.output)")
    }
  }
}
