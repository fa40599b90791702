/// A channel's outgoing line by its type, so that sending is compiled for it: what is known costs less than what a table
/// of functions finds, and what the channel holds on to in any case is not counted.
enum KnownOutgoingLine {
  case ring(Unmanaged<RingOutgoingLine>)
  case posixQueue(Unmanaged<POSIXQueueOutgoingLine>)
  case systemVQueue(Unmanaged<SystemVQueueOutgoingLine>)
  case stream(Unmanaged<StreamOutgoingLine>)
  case file(Unmanaged<FileOutgoingLine>)

  init?(_ line: (any OutgoingLine)?) {
    switch line {
    case let line as RingOutgoingLine: self = .ring(.passUnretained(line))
    case let line as POSIXQueueOutgoingLine: self = .posixQueue(.passUnretained(line))
    case let line as SystemVQueueOutgoingLine: self = .systemVQueue(.passUnretained(line))
    case let line as StreamOutgoingLine: self = .stream(.passUnretained(line))
    case let line as FileOutgoingLine: self = .file(.passUnretained(line))
    default: return nil
    }
  }
}

/// A channel's incoming line by its type. See ``KnownOutgoingLine``.
enum KnownIncomingLine {
  case ring(Unmanaged<RingIncomingLine>)
  case posixQueue(Unmanaged<POSIXQueueIncomingLine>)
  case systemVQueue(Unmanaged<SystemVQueueIncomingLine>)
  case stream(Unmanaged<StreamIncomingLine>)
  case file(Unmanaged<FileIncomingLine>)

  init?(_ line: (any IncomingLine)?) {
    switch line {
    case let line as RingIncomingLine: self = .ring(.passUnretained(line))
    case let line as POSIXQueueIncomingLine: self = .posixQueue(.passUnretained(line))
    case let line as SystemVQueueIncomingLine: self = .systemVQueue(.passUnretained(line))
    case let line as StreamIncomingLine: self = .stream(.passUnretained(line))
    case let line as FileIncomingLine: self = .file(.passUnretained(line))
    default: return nil
    }
  }
}

extension Unmanaged {
  /// `_withUnsafeGuaranteedRef` with a typed error: nothing is retained, since whoever calls holds on to it.
  @inline(__always)
  func use<Value, Failure: Error>(_ body: (Instance) throws(Failure) -> Value) throws(Failure) -> Value {
    try _withUnsafeGuaranteedRef { instance in
      do throws(Failure) { return Result<Value, Failure>.success(try body(instance)) } catch { return .failure(error) }
    }.get()
  }
}
