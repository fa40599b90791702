import Interprocess
import TestSupport
import Testing

@testable import ipc

@Suite("Object addresses", .blocking, .queues())
struct ObjectsTestsAddresses {
  @Test(
    "an address prints as it was written",
    arguments: [
      "posix-message-queue:/jobs", "posix-shared-memory:/a:b", "posix-semaphore:/s", "unix-socket:/run/a b.sock",
      "unix-socket:@app", "named-pipe:fifos/one", "system-v-message-queue:0x70690001",
      "system-v-shared-memory:id=0", "system-v-semaphore:0xffffffff",
    ])
  func roundTrip(text: String) throws {
    #expect(try ObjectAddress(parsing: text).description == text)
  }

  @Test("a key is the same however many digits it is written with")
  func shortKey() throws {
    let address = try ObjectAddress(parsing: "system-v-semaphore:0x7B")
    #expect(address.place == .key(try #require(SystemVKey(rawValue: 123))))
    #expect(address.description == "system-v-semaphore:0x0000007b")
  }

  @Test(
    "what is no address is refused, and the error says how it is written",
    arguments: [
      ("posix-mesage-queue:/jobs", "did you mean posix-message-queue?"),
      ("posix-semaphore", "posix-semaphore:/jobs"),
      ("posix-semaphore:", "a name has to follow"),
      ("posix-semaphore:jobs", "posix-semaphore:/jobs"),
      ("posix-shared-memory:/a/b", "one slash"),
      ("posix-shared-memory:/..", "one slash"),
      ("system-v-semaphore:", "0x70690001"),
      ("system-v-semaphore:123", "id=3"),
      ("system-v-semaphore:0x123456789", "8 hexadecimal digits"),
      ("system-v-semaphore:0x", "8 hexadecimal digits"),
      ("system-v-semaphore:0x0", "private"),
      ("system-v-semaphore:id=-1", "from 0"),
      ("system-v-semaphore:id=x", "from 0"),
      (":", "no such kind"),
      ("", "no such kind"),
    ])
  func refused(text: String, hint: String) throws {
    let error = try #require(throws: (any Error).self) { try ObjectAddress(parsing: text) }
    #expect("\(error)".contains(hint))
  }

  @Test("a selector is a kind or an address, and a FIFO is neither listed nor removed")
  func selectors() throws {
    #expect(try ObjectSelector(parsing: "unix-socket") == .kind(.unixSocket))
    #expect(try ObjectSelector(parsing: "unix-socket:@x").address?.place == .name("@x"))
    let error = try #require(throws: (any Error).self) { try ObjectSelector(parsing: "named-pipe:/tmp/x") }
    #expect("\(error)".contains("find / -xdev -type p"))
  }
}
