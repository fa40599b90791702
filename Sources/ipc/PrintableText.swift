extension String {
  /// With what a terminal would obey, control characters, spelt out: a name is chosen by anybody.
  var printable: String {
    unicodeScalars.reduce(into: "") { text, scalar in
      if scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format {
        text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  /// As an error message names it.
  var quoted: String { "\"\(printable)\"" }

  /// As a JSON string, quotes and all (RFC 8259).
  var json: String {
    unicodeScalars.reduce(into: "\"") { text, scalar in
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case _ where scalar.value < 0x20: text += formatted("\\u%04x", scalar.value)
      default: text.unicodeScalars.append(scalar)
      }
    } + "\""
  }
}
