import SystemPackage

/// What the errors of a ring mean to a channel whose messages, or their places, go through it.
extension ChannelError {
  static func sending(_ error: InterprocessError, _ peer: PeerLife) -> ChannelError {
    switch error.errno {
    case .brokenPipe: return peer.sendingError ?? ChannelError(.peerClosed, "the other side has closed the channel")
    case .connectionReset:
      // The ring's bell may tell of the end before the peer's socket does. A side that closes has closed its ring before.
      peer.look()
      return peer.sendingError ?? .peerDied
    case .timedOut: return .timedOut("Channel.send", "the other side takes no more")
    case .badMessage: return ChannelError(.malformedMessage, "\(error)")
    default: return ChannelError(error)
    }
  }

  /// - Parameter half: how much has come of a message that is not complete.
  static func receiving(_ error: InterprocessError, half: Int?) -> ChannelError {
    switch error.errno {
    case .connectionReset: half.map { truncated(after: $0) } ?? .peerDied
    case .timedOut: .timedOut("Channel.receive", "no message came")
    case .badMessage: ChannelError(.malformedMessage, "\(error)")
    default: ChannelError(error)
    }
  }

  static func truncated(after byteCount: Int) -> ChannelError {
    ChannelError(.truncatedMessage, "the other side ended in the middle of a message, \(byteCount) bytes into it")
  }
}
