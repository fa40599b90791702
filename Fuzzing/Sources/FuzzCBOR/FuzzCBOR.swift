import CFuzzer

/// libFuzzer looks for a trap, a memory error, or time or memory out of proportion.
@main
struct FuzzCBOR {
  static func main() {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    _ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
      CodecSubject.run(Array(UnsafeBufferPointer(start: start, count: count)))
      return 0
    }
  }
}
