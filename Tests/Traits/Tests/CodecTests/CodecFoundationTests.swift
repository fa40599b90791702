import FoundationEssentials
import Interprocess
import TestSupport
import Testing

@Suite("The codec and Foundation's Date and Data")
struct CodecFoundationTests {
  struct Upload: Codable, Equatable {
    var date: Date
    var content: Data
  }

  @Test("come back as they were", arguments: [0, 1_363_896_240, 1_363_896_240.5, -1.25])
  func roundTrip(_ seconds: Double) throws {
    let upload = Upload(date: Date(timeIntervalSince1970: seconds), content: Data([1, 2, 3]))
    #expect(try CBORDecoder().decode(Upload.self, from: CBOREncoder().encode(upload)) == upload)
  }

  @Test("are tag 1 and a byte string, as in RFC 8949's Appendix A")
  func bytes() throws {
    #expect(
      try CBOREncoder().encode(Date(timeIntervalSince1970: 1_363_896_240)) == [0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0])
    let half: [UInt8] = [0xc1, 0xfb, 0x41, 0xd4, 0x52, 0xd9, 0xec, 0x20, 0, 0]
    #expect(try CBOREncoder().encode(Date(timeIntervalSince1970: 1_363_896_240.5)) == half)
    #expect(try CBORDecoder().decode(Date.self, from: half).timeIntervalSince1970 == 1_363_896_240.5)
    #expect(try CBOREncoder().encode(Data([1, 2])) == [0x42, 1, 2])
  }

  private static let hasCBOR2 = PythonPeer.has("cbor2")

  @Test("are Python's datetime and bytes, both ways", .enabled(if: hasCBOR2, "skipped: needs Python's cbor2"))
  func python() throws {
    let upload = Upload(date: Date(timeIntervalSince1970: 1_363_896_240.5), content: Data([0, 255]))
    let hexadecimal = try CBOREncoder().encode(upload).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let read = """
      import cbor2, sys
      upload = cbor2.loads(bytes.fromhex(sys.argv[1]))
      print(upload["date"].timestamp(), upload["content"])
      """
    #expect(try PythonPeer.run(program: read, hexadecimal) == #"1363896240.5 b'\x00\xff'"#)
    // As a number, as text in UTC, and as text elsewhere.
    let write = """
      import cbor2
      from datetime import datetime, timedelta, timezone
      for zone, asNumber in ((timezone.utc, True), (timezone.utc, False), (timezone(timedelta(hours=1)), False)):
        date = datetime.fromtimestamp(1363896240, zone)
        bytes = cbor2.dumps({"date": date, "content": b"\\x00\\xff"}, datetime_as_timestamp=asNumber)
        print(" ".join(map(str, bytes)))
      """
    let lines = try PythonPeer.run(program: write).split(separator: "\n")
    #expect(lines.count == 3)
    for line in lines {
      let bytes = line.split(separator: " ").compactMap { UInt8($0) }
      let read = try CBORDecoder().decode(Upload.self, from: bytes)
      #expect(read == Upload(date: Date(timeIntervalSince1970: 1_363_896_240), content: upload.content))
    }
  }

  @Test("dates as text are read, and other text is an error")
  func text() throws {
    let head: [UInt8] = [0xc0, 0x74]
    let date = try CBORDecoder().decode(Date.self, from: head + Array("2013-03-21T20:04:00Z".utf8))
    #expect(date.timeIntervalSince1970 == 1_363_896_240)
    #expect(throws: DecodingError.self) {
      try CBORDecoder().decode(Date.self, from: head + Array("2013-03-21 or later.".utf8))
    }
  }
}
