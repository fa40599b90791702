import Glibc
import Interprocess
import SystemPackage

/// A way to wait for the other side, each at a channel of its own.
private enum Wait: String, CaseIterable {
  case receive
  case messages
  case send
  case asyncSend = "async send"

  private var sends: Bool { self == .send || self == .asyncSend }

  /// Those that a listener has, or the one that connects to it: of a mailbox the listener receives.
  static func all(over mechanism: Mechanism, isListener: Bool) -> [Wait] {
    allCases.filter { mechanism.isTwoWay || $0.sends != isListener }
  }
}

/// Meets another program, neither sends nor receives, and is killed. Arguments: those of ``Stranger``.
func channelVictim(_ arguments: [String]) throws {
  let stranger = try Stranger(arguments)
  let waits = Wait.all(over: stranger.mechanism, isListener: !stranger.isListener)
  let channels = try stranger.meet(times: waits.count)
  withExtendedLifetime(channels) { while true { sleep(60) } }
}

/// Waits in every way at once for another program, kills it, and says what each wait came to. Arguments: those of
/// ``Stranger``, and the other's process id.
func channelSurvivor(_ arguments: [String]) throws {
  let stranger = try Stranger(arguments)
  guard let victim = arguments.last.flatMap({ pid_t($0) }), victim > 1 else { return say("whom to kill?") }
  let waits = Wait.all(over: stranger.mechanism, isListener: stranger.isListener)
  let channels = try stranger.meet(times: waits.count)
  let findings = zip(waits, channels).map(start)
  waitUntilOthersSleep()
  kill(victim, SIGKILL)
  for (wait, finding) in zip(waits, findings) { say("\(wait.rawValue): \(finding.text())") }
  for channel in channels { channel.close() }
}

private func start(_ wait: Wait, at channel: Channel) -> Finding {
  let finding = Finding()
  // More than any mechanism holds.
  let message = [UInt8](repeating: 1, count: 8_000_000)
  switch wait {
  case .receive: pthread_detach(onThread { finding.set(receiveBlocking(channel)) })
  case .messages: Task.detached { finding.set(await iterate(channel)) }
  case .send: pthread_detach(onThread { finding.set(sendBlocking(channel, message)) })
  case .asyncSend: Task.detached { finding.set(await sendAsync(channel, message)) }
  }
  return finding
}

private func iterate(_ channel: Channel) async -> String {
  do {
    for try await message in channel.messages { return "\(message.count) bytes" }
    return "end"
  } catch { return errorWord(error) }
}

/// Returns when no other thread of this process runs: each has come to where it waits.
private func waitUntilOthersSleep() {
  for _ in 0..<10_000 {
    let others = names(in: "/proc/self/task").filter { $0 != "\(getpid())" }
    if others.allSatisfy({ processStatus(of: "self/task/\($0)").dropFirst(2).first == "S" }) { return }
    usleep(1000)
  }
}
