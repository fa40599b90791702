/// Workers held: on one only its holder's calls run, until he lets it go.
extension PoolStateMachine {
  mutating func grant(_ lease: LeaseID, _ index: Int, _ actions: inout [PoolAction]) {
    let worker = workers[index].id
    workers[index].lease = lease
    workers[index].isRested = false
    leases.append(PoolLease(id: lease, worker: worker))
    answer(lease, .granted(worker), &actions)
  }

  /// What the holder left waiting is cancelled; what runs, runs on, and the worker is the pool's after that.
  mutating func release(_ id: LeaseID, _ actions: inout [PoolAction]) {
    guard let held = leaseIndex(of: id) else { return }
    var lease = leases.remove(at: held)
    for call in lease.queue.removeAll() { answer(call, .cancelled, &actions) }
    if let index = index(of: lease.worker) { workers[index].lease = nil }
  }

  /// The held worker is gone. Its holder learns it from every call he makes until he releases it.
  mutating func lose(_ id: LeaseID, _ actions: inout [PoolAction]) {
    guard let held = leaseIndex(of: id) else { return }
    leases[held].isLost = true
    for call in leases[held].queue.removeAll() { answer(call, .leaseLost(id), &actions) }
  }
}
