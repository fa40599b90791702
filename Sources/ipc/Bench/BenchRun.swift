import Interprocess

/// Everything that is measured, one mechanism after the other.
struct BenchRun {
  let effort: BenchEffort
  let cells: [BenchCell]
  private(set) var results: [BenchResult] = []
  /// How many there would be.
  private(set) var total = 0
  private(set) var hasFailed = false
  /// Peers that are not measured, and why.
  private(set) var absences: [String] = []

  init(_ effort: BenchEffort, cells: [BenchCell]) {
    self.effort = effort
    self.cells = cells
  }

  /// - Parameter report: called with each result.
  /// - Returns: the signal that ended it early.
  mutating func measure(
    _ mechanisms: [Mechanism], peers: [BenchPeer], report: (BenchResult) throws -> Void
  ) throws -> Interruption.Signalled? {
    total = (mechanisms.count + peers.count) * cells.count
    do {
      for mechanism in mechanisms { try measure(mechanism, report) }
      for peer in peers { try measure(peer, report) }
    } catch let signalled as Interruption.Signalled {
      return signalled
    }
    return nil
  }

  private mutating func measure(_ mechanism: Mechanism, _ report: (BenchResult) throws -> Void) throws {
    let (done, total) = (results.count, total)
    do {
      var team = try BenchTeam.start(mechanism, cells, effort)
      defer { team.end() }
      for (index, cell) in cells.enumerated() {
        let progress = Progress(mechanism.rawValue, unit: "measurements")
        let result = Result {
          try team.next(mechanism.rawValue, cell) { progress.show(done + index, of: total) }
        }
        progress.clear()
        results.append(try result.get())
        try report(try result.get())
      }
    } catch let signalled as Interruption.Signalled {
      throw signalled
    } catch {
      try Interruption.check()
      complain("\(mechanism.rawValue): \(error)")
      hasFailed = true
    }
  }

  private mutating func measure(_ peer: BenchPeer, _ report: (BenchResult) throws -> Void) throws {
    let (done, total) = (results.count, total)
    let progress = Progress(peer.rawValue, unit: "measurements")
    do {
      let program = try peer.prepare()
      for (index, cell) in cells.enumerated() {
        let result = Result { try program.measure(cell, effort) { progress.show(done + index, of: total) } }
        progress.clear()
        results.append(try result.get())
        try report(try result.get())
      }
    } catch let signalled as Interruption.Signalled {
      throw signalled
    } catch {
      try Interruption.check()
      absences.append("\(peer.rawValue): not measured: \(error)")
      // The ones that are left out are not missing.
      self.total -= cells.count - (results.count - done)
    }
  }
}
