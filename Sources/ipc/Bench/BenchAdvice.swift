import Interprocess

/// Which mechanism to choose here, for what, and why: by what was measured.
struct BenchAdvice {
  private let results: [BenchResult]
  /// The pinning that a program has which does nothing about it, or else one that was measured.
  private let pinning: BenchCell.Pinning

  init(_ results: [BenchResult]) {
    let results = results.filter { BenchPeer(rawValue: $0.name) == nil && $0.value.isFinite }
    self.results = results
    pinning = results.contains { $0.cell.pinning == .free } ? .free : results.first?.cell.pinning ?? .free
  }

  var lines: [String] {
    [small, large, manyProducers, strangers].compactMap(\.self)
  }

  private func find(
    _ measure: BenchCell.Measure, _ bytes: Int, _ pinning: BenchCell.Pinning? = nil,
    where isCandidate: (Mechanism) -> Bool = { _ in true }
  ) -> [(mechanism: Mechanism, result: BenchResult)] {
    let cell = BenchCell(measure: measure, bytes: bytes, pinning: pinning ?? self.pinning)
    return results.compactMap { result in
      guard result.cell == cell, let mechanism = Mechanism(rawValue: result.name), isCandidate(mechanism)
      else { return nil }
      return (mechanism, result)
    }
    .sorted { measure == .roundTrip ? $0.result.value < $1.result.value : $0.result.value > $1.result.value }
  }

  private func isOverMemory(_ mechanism: Mechanism) -> Bool {
    switch mechanism {
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: true
    default: false
    }
  }

  /// The ring is what channels over shared memory are; among its equals it is the one without a name to clean up.
  private func best(
    _ candidates: [(mechanism: Mechanism, result: BenchResult)]
  ) -> (mechanism: Mechanism, result: BenchResult)? {
    guard let first = candidates.first, isOverMemory(first.mechanism) else { return candidates.first }
    return candidates.first { $0.mechanism == .ring } ?? first
  }

  private var small: String? {
    guard let best = best(find(.roundTrip, 8, where: \.isTwoWay)) else { return nil }
    var line = "Small messages: \(best.mechanism); 8 B there and back take \(BenchUnit.time(best.result.value))"
    line += ", burning \(BenchUnit.digits(best.result.cpu)) CPUs"
    if isOverMemory(best.mechanism) {
      guard let sleeper = find(.roundTrip, 8, where: { $0.isTwoWay && !isOverMemory($0) }).first else {
        return line + "."
      }
      line += "; the fastest through the kernel, \(sleeper.mechanism), \(BenchUnit.time(sleeper.result.value)) and "
      line += "\(BenchUnit.digits(sleeper.result.cpu))"
      guard let ringed = find(.roundTrip, 8, .same, where: { $0 == best.mechanism }).first,
        let slept = find(.roundTrip, 8, .same, where: { $0.isTwoWay && !isOverMemory($0) }).first
      else { return line + "." }
      line += ". On one CPU, where nobody can spin: \(BenchUnit.time(ringed.result.value)), and "
      line += "\(BenchUnit.time(slept.result.value)) by \(slept.mechanism)"
    }
    return line + "."
  }

  private var large: String? {
    guard let best = best(find(.throughput, 1 << 20)) else { return nil }
    var line = "Large messages: \(best.mechanism); \(BenchUnit.rate(best.result.value)) in messages of 1 MiB"
    if isOverMemory(best.mechanism), let kernel = find(.throughput, 1 << 20, where: { !isOverMemory($0) }).first {
      let rate = BenchUnit.rate(kernel.result.value)
      line += ", where \(kernel.mechanism), the fastest through the kernel, carries \(rate)"
    }
    return line + "."
  }

  private var manyProducers: String? {
    let queues = find(.throughput, 64, where: \.keepsMessageBoundaries)
    guard let best = queues.first else { return nil }
    var line = "Many producers: \(best.mechanism); any number of them can send into one queue, and the kernel keeps "
    line += "their messages whole; of 64 B from one, which is all that was measured, "
    line += "\(BenchUnit.digits(best.result.value / 64 / 1e6)) million a second"
    if queues.count > 1, let other = queues.last {
      line += " (\(other.mechanism): \(BenchUnit.digits(other.result.value / 64 / 1e6)))"
    }
    if let ring = find(.throughput, 64, where: { $0 == .ring }).first,
      ring.result.value > best.result.value
    {
      line += "; a ring for each producer (RingMailbox) goes further where they are few and known: one carries "
      line += "\(BenchUnit.digits(ring.result.value / 64 / 1e6)) million"
    }
    return line + "."
  }

  private var strangers: String? {
    let named = find(.roundTrip, 8) { $0.isNamed && $0.isReadableByOtherLanguages }
    guard let socket = named.first(where: { $0.mechanism == .unixSocket }) ?? named.first else { return nil }
    var line = "Strangers: \(socket.mechanism); it is found by its name, any language speaks it"
    if socket.mechanism == .unixSocket { line += ", and the kernel says who is at the other end" }
    line += ": \(BenchUnit.time(socket.result.value)) there and back"
    if let ring = find(.roundTrip, 8, where: { $0 == .ring }).first, ring.result.value < socket.result.value {
      line += ". Where both sides are in Swift, it can hand over a ring (ChannelListener): "
      line += BenchUnit.time(ring.result.value)
    }
    return line + "."
  }
}

extension BenchRun {
  /// What there is to say after all lines of the table.
  var closingLines: [String] {
    var lines = absences
    let advice = BenchAdvice(results).lines
    if !advice.isEmpty { lines += ["", "To choose here:"] + advice }
    return lines + peerLines
  }

  /// How the best of the mechanisms compares with the best of the others.
  private var peerLines: [String] {
    let cells = cells.filter { $0.pinning == .free && [8, 64, 1 << 20].contains($0.bytes) }
    let lines = cells.compactMap { cell -> String? in
      let here = results.filter { $0.cell == cell }.sorted {
        cell.measure == .roundTrip ? $0.value < $1.value : $0.value > $1.value
      }
      guard let own = here.first(where: { BenchPeer(rawValue: $0.name) == nil }),
        let other = here.first(where: { BenchPeer(rawValue: $0.name) != nil })
      else { return nil }
      return "  \(BenchTable.what(cell)): \(own.name) \(BenchUnit.value(own.value, cell.measure)), "
        + "\(other.name) \(BenchUnit.value(other.value, cell.measure))"
    }
    return lines.isEmpty ? [] : ["", "The best of these beside the best of the others, free to move:"] + lines
  }
}
