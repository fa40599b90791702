import Interprocess

/// A limit of the kernel's that programs run into.
struct KernelLimit {
  let name: String
  /// `nil` where there is none.
  let value: Int?
  /// How much of it is used; `nil` where the kernel does not say, or not to this user.
  var used: Int?
  /// Which call feels it, and how.
  let effect: String
  /// The command that raises it; `nil` when it is as high as it goes.
  let remedy: String?

  /// A parameter of `sysctl`.
  ///
  /// - Parameters:
  ///   - most: what the kernel takes at most.
  ///   - effect: what happens at the limit.
  /// - Returns: `nil` where this kernel has no such parameter.
  init?(parameter name: String, most: Int = .max, used: Int? = nil, _ effect: String) {
    guard let value = KernelParameter(name).value else { return nil }
    self.init(name, value, most: most, used: used, effect) { "sudo sysctl \(name)=\($0)" }
  }

  /// - Parameter remedy: gives the command that raises it to a value, twice the one it has if the kernel takes that.
  init(_ name: String, _ value: Int?, most: Int = .max, used: Int?, _ effect: String, remedy: (Int) -> String) {
    // Near the largest number the kernel means that there is none.
    let value = value.flatMap { $0 > Self.asGoodAsNone ? nil : $0 }
    self.name = name
    self.value = value
    self.used = used
    self.effect = effect
    self.remedy = value.flatMap { $0 < most ? remedy(min(most, 2 * max(1, $0))) : nil }
  }

  private static let asGoodAsNone = 1 << 61
}

extension KernelLimit {
  var json: String {
    var line = JSONLine()
    line.add("limit", name)
    line.add("value", value)
    line.add("used", used)
    line.add("effect", effect)
    line.add("raise", remedy)
    return line.description
  }

  /// Lines for people: two for each limit, the second one with the command.
  static func table(of limits: [KernelLimit]) -> [String] {
    var table = TextTable([
      "limit": .left, "value": .right, "used": .right, "what happens at it, and what raises it": .left,
    ])
    for limit in limits {
      table.add([limit.name, limit.value?.grouped ?? "none", limit.used?.grouped ?? "-", limit.effect])
      if let remedy = limit.remedy { table.add(["", "", "", "  " + remedy]) }
    }
    return table.lines
  }
}
