import Glibc

/// Names and keys that no other test has, so that tests run side by side.
public enum Unique {
  public static func name() -> String { "/interprocess-test-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

  /// A System V key with this package's mark in the high half.
  public static func key() -> Int32 { 0x7069_0000 | Int32.random(in: 1...0xFFFF) }
}

/// How long a test waits for what has to happen.
public let generous = Duration.seconds(60)
