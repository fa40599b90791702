import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// The Swift in the README, in the articles and in the doc comments, as the compiler sees it.
@Suite("Documentation", .blocking)
struct DocumentationTests {
  @Test("every Swift snippet compiles", .enabled(if: Snippet.canCompile, "skipped: needs swiftc on the PATH"))
  func snippets() throws {
    let snippets = try Snippet.all()
    #expect(snippets.count >= 16)
    #expect(Set(snippets.map(\.file)).contains("README.md"))
    let folder = try TemporaryDirectory()
    var sources = [try Snippet.write(Snippet.prelude, to: folder.path.appending("prelude.swift"))]
    for (number, snippet) in snippets.enumerated() {
      sources.append(
        try Snippet.write(snippet.program(number), to: folder.path.appending("snippet\(number).swift")))
    }
    let compiler = try Snippet.compile(sources)
    #expect(compiler.exitCode == 0, "\(compiler.errors)")
  }

  @Test("a snippet that is wrong is found", .enabled(if: Snippet.canCompile, "skipped: needs swiftc on the PATH"))
  func wrong() throws {
    let folder = try TemporaryDirectory()
    let snippet = Snippet(file: "README.md", line: 7, code: ["let pipe = try Pipe()", "pipe.dig()"])
    let sources = [
      try Snippet.write(Snippet.prelude, to: folder.path.appending("prelude.swift")),
      try Snippet.write(snippet.program(0), to: folder.path.appending("snippet.swift")),
    ]
    let compiler = try Snippet.compile(sources)
    #expect(compiler.errors.contains("README.md:9:") && compiler.errors.contains("'dig'"), "\(compiler.errors)")
  }
}

private struct Snippet {
  /// Where it is, from the package's folder on, and the line before its first.
  let file: String
  let line: Int
  let code: [String]

  /// What snippets use and do not declare.
  static let prelude = """
    import Interprocess
    import SystemPackage

    func handle(_ message: POSIXMessageQueue.Message) {}
    let job = 1
    func work() {}
    func work(_ queue: [Int]) {}
    func repair() {}
    """

  private static let parameters = """
    pipe: borrowing Pipe, queue: borrowing POSIXMessageQueue, key: SystemVKey, id: CInt, \
    socket: borrowing UnixSocket, memory: borrowing POSIXSharedMemory, mutex: SharedMutex, filled: SharedCondition
    """

  /// A function with the snippet as its body, or the part of a Package.swift that it is.
  func program(_ number: Int) -> String {
    let place = "#sourceLocation(file: \"\(file)\", line: \(line + 1))\n"
    let end = "\n#sourceLocation()\n"
    if code.first?.hasPrefix(".") == true {
      let body = code.joined(separator: "\n")
      let place = "#sourceLocation(file: \"\(file)\", line: \(line))\n"
      return "import PackageDescription\n\(place)let dependencies\(number): [Target.Dependency] = [\n\(body)\n]\(end)"
    }
    // An import stands outside of functions; its line stays, so that the others keep their numbers.
    let imports = code.filter { $0.hasPrefix("import ") }
    let body = code.map { $0.hasPrefix("import ") ? "" : $0 }.joined(separator: "\n")
    // A program of its own, or what stands outside of functions.
    if code.contains(where: { $0 == "@main" || $0.hasPrefix("distributed actor") }) {
      return "\(imports.joined(separator: "\n"))\n\(place)\(body)\(end)"
    }
    let isAsync = code.contains { $0.contains("await ") }
    var parameters = Self.parameters
    if body.contains("queue.append") {
      parameters = parameters.replacing("queue: borrowing POSIXMessageQueue", with: "queue: inout [Int]")
    }
    return """
      import Glibc
      import Interprocess
      import SystemPackage
      \(imports.joined(separator: "\n"))
      func snippet\(number)(\(parameters)) \(isAsync ? "async " : "")throws {
      \(place)\(body)\(end)}

      """
  }

  static func all() throws -> [Snippet] {
    let found = try Command.run(
      "/usr/bin/env",
      ["grep", "-rlF", "```swift", "README.md", "Sources/Interprocess", "Sources/Workers/Workers.docc"].map {
        $0 == "README.md" || $0.hasPrefix("Sources") ? "\(Package.root)/\($0)" : $0
      })
    return try found.lines.sorted().flatMap { path in
      try snippets(in: String(path.dropFirst(Package.root.utf8.count + 1)), try Command.run("/bin/cat", [path]).output)
    }
  }

  private static func snippets(in file: String, _ text: String) throws -> [Snippet] {
    var snippets: [Snippet] = []
    var open: (line: Int, code: [String])?
    for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      var line = raw
      if file.hasSuffix(".swift") {
        line = raw.drop { $0 == " " }
        guard line.hasPrefix("///") else { continue }
        line = line.dropFirst(line.hasPrefix("/// ") ? 4 : 3)
      }
      if line == "```swift" {
        open = (index + 1, [])
      } else if line.hasPrefix("```"), let snippet = open {
        snippets.append(Snippet(file: file, line: snippet.line, code: snippet.code))
        open = nil
      } else {
        open?.code.append(String(line))
      }
    }
    return snippets
  }

  static func write(_ text: String, to path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
    return path.string
  }

  static let canCompile = (try? Command.run("/usr/bin/env", ["swiftc", "--version"]))?.exitCode == 0

  /// Checks types only, against the module that these tests run with.
  static func compile(_ sources: [String]) throws -> Command {
    let products = String(Package.program("forked-process-helper").dropLast("/forked-process-helper".count))
    let system = "\(products)/../../checkouts/swift-system/Sources/CSystem/include"
    let manifest = try Command.run(
      "/bin/sh", ["-c", "echo $(dirname $(readlink -f $(command -v swiftc)))/../lib/swift/pm/ManifestAPI"])
    return try Command.run(
      "/usr/bin/env",
      [
        "swiftc", "-typecheck", "-suppress-warnings", "-swift-version", "6", "-module-name", "Snippets",
        "-parse-as-library",
        "-package-description-version", "6.2.0", "-I", "\(products)/Modules", "-I", manifest.lines.first ?? "",
        "-I", system, "-Xcc", "-fmodule-map-file=\(system)/module.modulemap",
        "-Xcc", "-fmodule-map-file=\(products)/CInterprocess.build/module.modulemap",
        "-Xcc", "-fmodule-map-file=\(products)/CWorkers.build/module.modulemap",
      ] + sources, timeout: .seconds(120))
  }
}
