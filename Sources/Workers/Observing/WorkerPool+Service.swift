#if ServiceLifecycle
  public import ServiceLifecycle
  import Synchronization

  /// With the package's trait `ServiceLifecycle`.
  extension WorkerPool: Service {
    /// Lasts as long as the pool: a graceful shutdown lets the calls that were made finish and takes no more, and
    /// cancellation cancels them. So it does after 30 seconds.
    ///
    /// - Throws: ``PoolFailed``, so that the group learns of it.
    public func run() async throws {
      guard let core else { return try await gracefulShutdown() }
      await withTaskCancellationHandler {
        await withGracefulShutdownHandler {
          await core.ended()
        } onGracefulShutdown: {
          core.feed(.shutdown(.drain(within: .seconds(30))))
        }
      } onCancel: {
        core.feed(.shutdown(.cancel))
      }
      if let cause = core.state.withLock({ $0.failureCause }) {
        throw PoolFailed(cause: cause)
      }
    }
  }
#endif
