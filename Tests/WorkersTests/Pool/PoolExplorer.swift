@testable import Workers

/// Goes through every state that a scenario can reach, the nearest first, and stops at the first that is wrong with the
/// shortest story that leads there.
struct PoolExplorer {
  private(set) var nodes: [Node] = []
  private(set) var transitions = 0
  private var known: [[UInt8]: Int32] = [:]
  private var frontier: [World] = []
  private var next: [World] = []

  struct Node {
    let parent: Int32
    let event: PoolEvent
    /// Where a world goes in which everybody does as expected, and one in which nobody does. -1: nowhere.
    var friendly: Int32 = -1
    var hostile: Int32 = -1
    var isEnded = false
    var isQuiet = false
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  mutating func explore(_ scenario: Scenario) throws(Failure) {
    let start = World(scenario)
    nodes.append(Node(parent: -1, event: .open))
    known[start.fingerprint] = 0
    do throws(Violation) {
      var opened = start
      try opened.happen(.open)
      while scenario.startsWarm, let move = opened.moves.first(where: \.isFriendly) { try opened.make(move) }
      nodes[0].friendly = visit(opened, from: 0, by: .open)
      nodes[0].hostile = nodes[0].friendly
    } catch {
      throw Failure(description: "\(error)")
    }
    var index: Int32 = 1
    while !next.isEmpty {
      frontier = next
      next = []
      for world in frontier {
        try expand(world, index)
        index += 1
      }
    }
    try checkEnds(\.friendly, \.isQuiet, "in a friendly world the pool never comes to rest")
    if scenario.mayShutDown { try checkEnds(\.hostile, \.isEnded, "in a hostile world the pool never ends") }
  }

  private mutating func expand(_ world: World, _ index: Int32) throws(Failure) {
    let moves = world.moves
    if !moves.contains(where: \.isFriendly) {
      try check(index) { () throws(Violation) in try world.checkQuiet() }
      nodes[Int(index)].isQuiet = true
    }
    nodes[Int(index)].isEnded = world.hasEnded
    // Costs as much as all moves together, so only some states are asked.
    if index % 16 == 0 { try check(index) { () throws(Violation) in try world.checkDeafness() } }
    for move in moves {
      var after = world
      do throws(Violation) { try after.make(move) } catch {
        throw Failure(description: "\(error)\n\(story(of: index))\n\(move.event)")
      }
      transitions += 1
      let target = visit(after, from: index, by: move.event)
      if move.isFriendly, nodes[Int(index)].friendly < 0 { nodes[Int(index)].friendly = target }
      if move.isHostile, nodes[Int(index)].hostile < 0 { nodes[Int(index)].hostile = target }
    }
  }

  private func check(_ index: Int32, _ body: () throws(Violation) -> Void) throws(Failure) {
    do throws(Violation) { try body() } catch { throw Failure(description: "\(error)\n\(story(of: index))") }
  }

  private mutating func visit(_ world: World, from parent: Int32, by event: PoolEvent) -> Int32 {
    let fingerprint = world.fingerprint
    if let index = known[fingerprint] { return index }
    let index = Int32(nodes.count)
    known[fingerprint] = index
    nodes.append(Node(parent: parent, event: event))
    next.append(world)
    return index
  }

  /// From every state the one road leads to an end, and not round in a circle.
  private func checkEnds(
    _ road: KeyPath<Node, Int32>, _ isEnd: KeyPath<Node, Bool>, _ complaint: String
  ) throws(Failure) {
    var isGood = nodes.map { $0[keyPath: isEnd] }
    for start in nodes.indices {
      var path: [Int] = []
      var index = start
      while !isGood[index] {
        path.append(index)
        let step = Int(nodes[index][keyPath: road])
        guard step >= 0, path.count < 1000 else {
          throw Failure(description: "\(complaint)\n\(story(of: Int32(index)))")
        }
        index = step
      }
      for index in path { isGood[index] = true }
    }
  }

  private func story(of index: Int32) -> String {
    var events: [String] = []
    var index = index
    while index >= 0 {
      events.append("\(nodes[Int(index)].event)")
      index = nodes[Int(index)].parent
    }
    return events.reversed().joined(separator: "\n")
  }
}
