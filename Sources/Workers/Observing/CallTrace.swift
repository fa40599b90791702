#if Tracing
  import Instrumentation
  import Tracing
#endif

/// The trace that a call belongs to, on its way into the worker: with the package's trait `Tracing`, a part of the call's
/// frame; else nothing.
enum CallTrace {
  /// Makes the call in a span of its own.
  @inline(__always)  // A frame of its own would cost a call a tenth of a microsecond.
  nonisolated(nonsending) static func withCallerSpan<Result>(
    _ name: String, _ body: nonisolated(nonsending) () async throws -> Result
  ) async throws -> Result {
    #if Tracing
      return try await withSpan(name, ofKind: .client) { _ in try await body() }
    #else
      return try await body()
    #endif
  }

  /// Appends what the worker needs to go on with the trace.
  static func append(to frame: inout [UInt8]) {
    #if Tracing
      var carrier: [String: String] = [:]
      if let context = ServiceContext.current {
        InstrumentationSystem.instrument.inject(context, into: &carrier, using: DictionaryInjector())
      }
      // Strings always encode.
      try? frame.append(part: carrier)
    #endif
  }

  /// What runs a call in the trace that its frame names, and reads that first.
  static func inWorkerSpan(
    _ name: String, _ body: nonisolated(nonsending) @escaping @Sendable (FrameReader) async throws -> Void
  ) -> nonisolated(nonsending) @Sendable (FrameReader) async throws -> Void {
    #if Tracing
      return { reader in
        var reader = reader
        let carrier = try reader.value([String: String].self)
        var context = ServiceContext.topLevel
        InstrumentationSystem.instrument.extract(carrier, into: &context, using: DictionaryExtractor())
        try await ServiceContext.withValue(context) { [reader] in
          try await withSpan(name, context: context, ofKind: .server) { _ in try await body(reader) }
        }
      }
    #else
      return body
    #endif
  }
}

#if Tracing
  private struct DictionaryInjector: Injector {
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
  }

  private struct DictionaryExtractor: Extractor {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
  }
#endif
