import Glibc

private final class Job: Sendable {
  let run: @Sendable () throws -> Void
  init(_ run: @escaping @Sendable () throws -> Void) { self.run = run }
}

/// Starts a thread; what it throws ends the program.
func onThread(_ body: @escaping @Sendable () throws -> Void) -> pthread_t {
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { argument in
      do {
        try argument.map { try Unmanaged<Job>.fromOpaque($0).takeRetainedValue().run() }
      } catch {
        print("error: \(error)")
        exit(1)
      }
      return nil
    }, Unmanaged.passRetained(Job(body)).toOpaque())
  return thread
}
