#if THREAD_SANITIZER
  import Interprocess

  /// Before Synchronization's of the same name.
  typealias Mutex = Interprocess.Mutex
#endif
