/// What libFuzzer calls with each input; it looks for a trap, a memory error, or time or memory out of proportion.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCBOR(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  CodecSubject.run(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
