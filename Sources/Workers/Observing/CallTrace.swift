#if Tracing
  import Instrumentation
  import Tracing
#endif

/// The trace that a call belongs to, on its way into the worker: with the package's trait `Tracing`, a part of the call's
/// frame; else nothing.
enum CallTrace {
  /// Makes the call in a span of its own.
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

  /// Runs a call in the trace that its frame names.
  nonisolated(nonsending) static func withWorkerSpan<Result>(
    _ reader: inout FrameReader, _ name: String, _ body: nonisolated(nonsending) (FrameReader) async throws -> Result
  ) async throws -> Result {
    #if Tracing
      let carrier = try reader.value([String: String].self)
      var context = ServiceContext.topLevel
      InstrumentationSystem.instrument.extract(carrier, into: &context, using: DictionaryExtractor())
      return try await ServiceContext.withValue(context) { [reader] in
        try await withSpan(name, context: context, ofKind: .server) { _ in try await body(reader) }
      }
    #else
      return try await body(reader)
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
