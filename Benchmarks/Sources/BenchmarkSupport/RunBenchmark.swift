import Glibc

/// Runs a program's whole work: prints the help where that is thrown, and exits with code 2 where it fails.
package func runBenchmark(_ name: String, _ body: () throws -> Void) {
  do {
    try body()
  } catch let help as Help {
    print(help.text)
  } catch {
    let line = Array("\(name): \(error)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(2)
  }
}
