import CInterprocess
import Glibc
public import SystemPackage

extension SystemVSemaphoreSet {
  /// Opens the set, creating and initialising it if there is none. An existing one keeps its values.
  ///
  /// The corresponding C functions are `semget`, `semctl` and `semop`. See "Who initialises it" above for what happens
  /// when two processes do so at once: it waits for the other one, two seconds at most.
  ///
  /// - Parameter values: the first values, and at least how many semaphores an existing set has to have.
  /// - Throws: `Errno.resourceBusy` when another process has created the set, and set no values in two seconds;
  ///   `Errno.invalidArgument` when an existing set has fewer semaphores; `Errno.permissionDenied`; `Errno.noSpace` past
  ///   `kernel.sem`; `Errno.outOfRange` for a value above 32767.
  public init(
    creatingIfAbsent key: SystemVKey, values: [UInt16], permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    var opening = Opening(key: key)
    while true {
      if let set = try opening.attempt(values, permissions) {
        self = set
        return
      }
      usleep(1000)
    }
  }

  /// Opens the set, creating and initialising it if there is none; the task is suspended while another process
  /// initialises it. See the blocking `init(creatingIfAbsent:values:permissions:)`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(
    creatingIfAbsent key: SystemVKey, values: [UInt16], permissions: FilePermissions = .ownerReadWrite
  ) async throws {
    try Task.checkCancellation()
    var opening = Opening(key: key)
    while true {
      if let set = try opening.attempt(values, permissions) {
        self = set
        return
      }
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// Opening a set that may be somebody's who is about to initialise it.
  private struct Opening {
    let key: SystemVKey
    /// The set that is waited for, and until when.
    private var waited: (id: CInt, deadline: Deadline)?

    init(key: SystemVKey) { self.key = key }

    /// - Returns: `nil` when the set is not ready: to be asked again in a moment.
    mutating func attempt(
      _ values: [UInt16], _ permissions: FilePermissions
    ) throws(InterprocessError) -> SystemVSemaphoreSet? {
      do throws(InterprocessError) {
        let id = try SystemVSemaphoreSet.create(.key(key, flags: IPC_CREAT | IPC_EXCL), values, permissions)
        return SystemVSemaphoreSet(id: id, count: values.count, .key(key, flags: 0))
      } catch  where error.errno == .fileExists {
        // Somebody else creates it, or did.
      }
      let address = SystemVAddress.key(key, flags: 0)
      do throws(InterprocessError) {
        let id = try SystemVSemaphoreSet.get(address, values.count, [])
        let status = try SystemVSemaphoreSet.status(id, address.described)
        let count = Int(status.sem_nsems)
        // Whole seconds: 3 apart is more than 2. Or 2 on a clock that nobody sets.
        let isLate = time(nil) - status.sem_ctime >= 3 || hasWaited(for: id)
        if status.sem_otime == 0, !isLate { return nil }
        if status.sem_otime == 0, try !hasValues(id, count) { throw Self.unfinished(id, address) }
        return SystemVSemaphoreSet(id: id, count: count, address)
      } catch  where Self.isRemoval(error) {
        // Create it after all.
        return nil
      }
    }

    /// Whether it was removed meanwhile. Of an id that was removed, `semctl` says that there is no such thing.
    private static func isRemoval(_ error: InterprocessError) -> Bool {
      switch error.errno {
      case .noSuchFileOrDirectory, .identifierRemoved: true
      case .invalidArgument: error.call == "semctl"
      default: false
      }
    }

    private mutating func hasWaited(for id: CInt) -> Bool {
      if let waited, waited.id == id { return waited.deadline.hasPassed }
      waited = (id, Deadline(.seconds(2)))
      return false
    }

    /// Whether anybody has ever set a value, to 0 perhaps: the kernel notes who.
    private func hasValues(_ id: CInt, _ count: Int) throws(InterprocessError) -> Bool {
      for index in 0..<CInt(clamping: count) {
        for command in [GETPID, GETVAL] {
          let number = try systemCall("semctl", "key \(key), id \(id)", remedy: SystemVSemaphoreSet.useRemedy) {
            ci_semctl_value(id, index, command, 0)
          }
          if number != 0 { return true }
        }
      }
      return false
    }

    private static func unfinished(_ id: CInt, _ address: SystemVAddress) -> InterprocessError {
      InterprocessError(
        call: "semget", object: "\(address.described), id \(id)", errno: .resourceBusy,
        remedy: "its creator has set no values in 2 seconds: it died, or is stopped; if it died, remove the set with "
          + "SystemVSemaphoreSet.remove(id: \(id)) or ipcrm -s \(id), and try again")
    }
  }
}
