import Glibc
import Interprocess
import SystemPackage

/// Says what is there by a name, or a number that anybody could use, while both sides of a channel have it, and uses it
/// afterwards. Run in namespaces of its own, where nobody else has any. Arguments: mechanism, `pair` or `strangers`.
func channelNames(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  let start = try Pipe()
  if arguments.last == "pair" {
    var pair = try Channel.pair(over: mechanism)
    var child = try ForkedProcess { try speak(pair.openFirst(), after: start.reader) }
    try listNames(besides: pair.openSecond(), start.writer)
    say("\(try child.wait())")
  } else {
    let path = "\(temporaryDirectory)/strangers"
    var child = try ForkedProcess {
      try speak(Stranger(["connect", mechanism.rawValue, path]).meet(), after: start.reader)
    }
    let channel = try Stranger(["listen", mechanism.rawValue, path]).meet()
    // The listener's name is the program's own affair.
    try ChannelListener.unlink(FilePath(path))
    try listNames(besides: channel, start.writer)
    say("\(try child.wait())")
  }
}

private func speak(_ channel: Channel, after start: borrowing Pipe.Reader) throws {
  try channel.send([1], timeout: patience)
  _ = try start.read(exactly: 1, timeout: patience)
  let message = [UInt8](repeating: 2, count: 100_000)
  try channel.send(message, timeout: patience)
  guard channel.mechanism.isTwoWay, try channel.receive(timeout: patience) != message else { return }
  throw ChannelFailure(description: "another message came back")
}

private func listNames(besides channel: Channel, _ start: borrowing Pipe.Writer) throws {
  // Then the other side has it, too.
  guard try channel.receive(timeout: patience) == [1] else { return say("no message came") }
  for thing in named() { say(thing) }
  try start.write([1])
  while let message = try channel.receive(timeout: patience) {
    say("\(message.count) bytes")
    if channel.mechanism.isTwoWay { try channel.send(message, timeout: patience) }
  }
}

private func named() -> [String] {
  let files = [temporaryDirectory, "/dev/shm", "/dev/mqueue"].flatMap { folder in
    names(in: folder).map { "\(folder)/\($0)" }
  }
  let objects = ["msg", "sem", "shm"].flatMap { kind in
    lines(of: "/proc/sysvipc/\(kind)").dropFirst().map { line in
      // The key, the id, the mode; 1000 in that is the mark for removal.
      let fields = line.split(separator: " ")
      return fields.count > 2 ? "\(kind) key \(fields[0]) mode \(fields[2])" : line
    }
  }
  return files + objects
}

private var temporaryDirectory: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

/// The names in a directory, but for those of itself and of the one above.
func names(in folder: String) -> [String] {
  guard let directory = opendir(folder) else { return ["there is no \(folder)"] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}

private func lines(of path: String) -> [String] {
  guard let file = fopen(path, "r") else { return ["", "there is no \(path)"] }
  defer { fclose(file) }
  var (lines, buffer) = ([String](), [CChar](repeating: 0, count: 512))
  while fgets(&buffer, CInt(buffer.count), file) != nil {
    lines.append(String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
  }
  return lines
}
