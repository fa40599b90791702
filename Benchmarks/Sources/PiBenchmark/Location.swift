import BenchmarkSupport
import Glibc

/// Where the programs are that this one runs.
enum Location {
  static var ipc: String { package + "/../.build/release/ipc" }
  static var pythonProgram: String { package + "/Peers/pi_article.py" }

  /// SwiftPM puts it beside this program.
  static var forkedPipes: String {
    guard let own = realpath("/proc/self/exe", nil) else { return "forked-pipes" }
    defer { free(own) }
    return String(cString: own).parentPath + "/forked-pipes"
  }

  /// This file's path is Sources/PiBenchmark/Location.swift in the package.
  private static var package: String { #filePath.parentPath.parentPath.parentPath }
}
