import Glibc

/// Whether the tests were built with `--sanitize`.
public enum Sanitizer {
  /// AddressSanitizer and ThreadSanitizer make `mlock` do nothing, and need more addresses than a limit would leave.
  public static let isPresent = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

  /// Why tests of locked memory and of few addresses are skipped.
  public static let absence = "skipped: under a sanitizer mlock does nothing, and addresses cannot be limited"
}
