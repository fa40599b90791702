import Glibc

/// The programs that this package builds, and its files.
public enum Package {
  /// The package's folder, without a slash at the end.
  public static let root = {
    // `Tests/Traits` has this file by a link.
    let file = realpath(#filePath, nil)
    defer { free(file) }
    return String(file.map { String(cString: $0) }?.dropLast("/Tests/TestSupport/Package.swift".count) ?? "")
  }()

  /// A program built with the tests: it lies beside the bundle that runs them.
  public static func program(_ name: String) -> String {
    let folders = CommandLine.arguments.compactMap { argument in
      argument.lastIndex(of: "/").map { String(argument[..<$0]) }
    }
    return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 } ?? "\(root)/.build/debug/\(name)"
  }
}
