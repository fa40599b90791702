#if FoundationEssentials
  import FoundationEssentials

  extension CBORShortcuts {
    /// `Data` is a byte string, and `Date` the seconds since 1970 under tag 1.
    mutating func addFoundation() {
      @Sendable func writeData(data: Data, buffer: CBORBuffer) {
        buffer.appendHead(CBORMajor.bytes, UInt64(data.count))
        data.withUnsafeBytes { buffer.append($0) }
      }
      @Sendable func readData(reader: CBORReader, position: inout Int) throws(CBORFault) -> Data {
        let (_, content) = try reader.lastTag(at: position)
        // A process without the trait writes an array.
        guard try reader.byte(at: content) & CBORMajor.mask == CBORMajor.bytes else {
          return Data(try [UInt8].readTyped(reader, at: &position))
        }
        position = content
        return try reader.bytes(at: &position).withUnsafeBytes { Data($0) }
      }
      add(write: writeData, read: readData)
      add(write: Date.write, read: Date.read)
    }
  }

  extension Date {
    @Sendable fileprivate static func write(date: Date, to buffer: CBORBuffer) {
      buffer.appendHead(CBORMajor.tag, CBORTag.dateNumber)
      if let seconds = Int64(exactly: date.timeIntervalSince1970) {
        seconds.write(to: buffer)
      } else {
        // Not shortened: other languages round a date in single precision to minutes.
        buffer.append(CBORByte.double, date.timeIntervalSince1970.bitPattern)
      }
    }

    @Sendable fileprivate static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> Date {
      let (tag, content) = try reader.lastTag(at: position)
      switch tag {
      case CBORTag.dateNumber:
        position = content
        return Date(timeIntervalSince1970: try Double.read(reader, at: &position))
      case CBORTag.dateText:
        position = content
        // RFC 3339 has small letters too, ISO 8601 has not.
        let text = try String.read(reader, at: &position).uppercased()
        guard let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains(".")).parse(text) else {
          throw .corrupted("\"\(text)\" is no date as in RFC 3339", at: content)
        }
        return date
      default:
        // As `Date` itself writes where the trait is off.
        return Date(timeIntervalSinceReferenceDate: try Double.read(reader, at: &position))
      }
    }
  }
#else
  extension CBORShortcuts {
    mutating func addFoundation() {}
  }
#endif
