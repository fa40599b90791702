/// One worker to start. Its descriptors, in this order: the directory to start in, where output and errors go, and then
/// the program's own.
struct StartRequest {
  /// Where output goes, as the new process sees it.
  enum Destination: Int {
    case inherit
    case drop
    /// The next descriptor.
    case descriptor
  }

  var id: UInt64
  /// The mangled name of the ``WorkerProgram``.
  var program: String
  var setup: [UInt8]
  var limits: WorkerLimits
  var niceness: CInt
  var environment: [String: String?]
  var output: Destination
  var errors: Destination
  var bringsDirectory: Bool
  /// Queues of System V to be removed when the parent dies: these no kernel takes back.
  var queues: [CInt]

  func encoded() -> [UInt8] {
    var writer = FieldWriter()
    writer.put(id)
    writer.put(program)
    writer.put(setup)
    for limit in [limits.dataBytes, limits.processorSeconds, limits.openFiles, limits.addressSpaceBytes] {
      writer.put(limit) { $0.put($1) }
    }
    writer.put(niceness)
    writer.put(environment.count)
    for (name, value) in environment {
      writer.put(name)
      writer.put(value) { $0.put($1) }
    }
    writer.put(output.rawValue)
    writer.put(errors.rawValue)
    writer.put(bringsDirectory ? 1 : 0)
    writer.put(numbers: queues)
    return writer.bytes
  }
}

extension StartRequest {
  init(decoding bytes: [UInt8]) throws(FieldReader.Malformed) {
    var reader = FieldReader(bytes)
    id = try reader.number()
    program = try reader.text()
    setup = try reader.blob()
    limits = WorkerLimits(
      dataBytes: try Self.limit(&reader), processorSeconds: try Self.limit(&reader),
      openFiles: try Self.limit(&reader), addressSpaceBytes: try Self.limit(&reader))
    niceness = try reader.number()
    environment = [:]
    for _ in 0..<max(0, try reader.number(Int.self)) {
      let name = try reader.text()
      environment.updateValue(
        try reader.optional { reader throws(FieldReader.Malformed) in try reader.text() }, forKey: name)
    }
    output = try Self.destination(&reader)
    errors = try Self.destination(&reader)
    bringsDirectory = try reader.number(Int.self) != 0
    queues = try reader.numbers()
  }

  private static func limit(_ reader: inout FieldReader) throws(FieldReader.Malformed) -> UInt64? {
    try reader.optional { reader throws(FieldReader.Malformed) in try reader.number() }
  }

  private static func destination(_ reader: inout FieldReader) throws(FieldReader.Malformed) -> Destination {
    guard let destination = Destination(rawValue: try reader.number()) else { throw FieldReader.Malformed() }
    return destination
  }
}
