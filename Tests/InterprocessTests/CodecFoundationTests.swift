#if FoundationEssentials
  import FoundationEssentials
  import Interprocess
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
      #expect(try CBOREncoder().encode(Data([1, 2])) == [0x42, 1, 2])
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
#endif
