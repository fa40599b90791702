import Distributed
import InMemoryTracing
import Instrumentation
import ServiceContextModule
import TestSupport
import Testing
import Tracing
import Workers

/// Where a call finds itself.
struct FoundSpan: Codable, Sendable {
  var trace: String
  var span: String
  var parent: String?
}

distributed actor Traced: WorkerActor {
  typealias ActorSystem = WorkerSystem

  static func workerDidStart() { InstrumentationSystem.bootstrap(InMemoryTracer()) }

  distributed func span() -> FoundSpan? {
    ServiceContext.current?.inMemorySpanContext.map {
      FoundSpan(trace: $0.traceID, span: $0.spanID, parent: $0.parentSpanID)
    }
  }
}

/// The number in its parent span's id, which is the caller's.
struct TracedNumber: WorkerFunction {
  static func call(_ unknown: Int) -> Int {
    let parent = ServiceContext.current?.inMemorySpanContext?.parentSpanID
    return parent?.split(separator: "-").last.flatMap { Int($0) } ?? unknown
  }
}

struct TracedText: WorkerFunction {
  static func call(_ unknown: String) -> String {
    ServiceContext.current?.inMemorySpanContext?.parentSpanID ?? unknown
  }
}

@Suite("The trait Tracing")
struct TracingTests {
  /// Its names are none that a worker's own tracer would give.
  private static let tracer: InMemoryTracer = {
    let identifiers = InMemoryTracer.IDGenerator(
      nextTraceID: { "parent-trace-\(UInt32.random(in: 0 ... .max))" },
      nextSpanID: { "parent-span-\(UInt32.random(in: 0 ... .max))" })
    let tracer = InMemoryTracer(idGenerator: identifiers)
    InstrumentationSystem.bootstrap(tracer)
    return tracer
  }()

  @Test("a call in a worker goes on with its caller's trace, below the caller's span")
  func trace() async throws {
    let tracer = Self.tracer
    try await withWorkerPool(of: Traced.self, count: 1) { pool in
      let (own, found) = try await withSpan("outer") { span in
        (span.context.inMemorySpanContext, try await pool.run { try await $0.span() })
      }
      let outer = try #require(own)
      #expect(found?.trace == outer.traceID)
      let call = try #require(tracer.finishedSpans.first { $0.traceID == outer.traceID && $0.kind == .client })
      #expect(call.parentSpanID == outer.spanID && call.operationName.contains("span"))
      #expect(found?.parent == call.spanID)
    }
  }

  @Test("so does a function in a worker, one number or a chunk of texts")
  func functions() async throws {
    let tracer = Self.tracer
    try await withWorkerPool(of: Traced.self, count: 1) { pool in
      let (own, number, texts) = try await withSpan("outer") { span in
        let number = try await pool.call(TracedNumber.self, -1)
        return (span.context.inMemorySpanContext, number, try await pool.map(TracedText.self, ["unknown"]))
      }
      let outer = try #require(own)
      let calls = tracer.finishedSpans.filter { $0.traceID == outer.traceID && $0.kind == .client }
      #expect(calls.map(\.operationName) == ["TracedNumber", "TracedText"])
      #expect(calls.first?.spanID == "parent-span-\(number)")
      #expect(calls.last?.spanID == texts.first)
    }
  }
}
