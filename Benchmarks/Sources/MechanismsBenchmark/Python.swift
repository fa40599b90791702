import BenchmarkSupport

/// The interpreter that runs the same loops with posix_ipc and sysv_ipc.
struct Python {
  let interpreter: String

  /// Beside Sources/MechanismsBenchmark/Python.swift.
  static let defaultInterpreter = package + "/../.venv/bin/python"
  private static var package: String { #filePath.parentPath.parentPath.parentPath }

  func has(_ module: String) -> Bool {
    let question = "import importlib.util; print(importlib.util.find_spec('\(module)') is not None)"
    return (try? outputOfProgram([interpreter, "-c", question])) == "True\n"
  }

  /// - Returns: how long each of a few rounds took, in seconds.
  func run(_ module: String, _ kind: String, _ count: Int) throws -> [Double] {
    let output = try outputOfProgram([interpreter, Self.package + "/Peers/mechanisms.py", module, kind, "\(count)"])
    return output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
  }
}
