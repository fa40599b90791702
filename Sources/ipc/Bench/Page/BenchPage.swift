import Interprocess

/// The report of `ipc bench --html`: one file that needs no other and no network.
struct BenchPage {
  private let facts: MachineFacts
  private let run: BenchRun
  private let command: String

  init(_ facts: MachineFacts, _ run: BenchRun, command: ArraySlice<String>) {
    self.facts = facts
    self.run = run
    self.command = (["ipc"] + command).joined(separator: " ")
  }

  var text: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <title>ipc bench: \(facts.cpuModel.escapedForHTML)</title>
    <style>
    \(PageStyle.text)
    </style>
    </head>
    <body>
    <h1>How fast processes talk here</h1>
    \(machine)
    \(advice)
    \(legend)
    \(bars)
    \(small("Throughput by message size", SmallCharts.throughput(run), Self.throughputNote))
    \(small("How the round trips of 8 B are spread", SmallCharts.latency(run), Self.latencyNote))
    \(table)
    \(method)
    </body>
    </html>

    """
  }

  private static let throughputNote = """
    From one process to the other, as fast as they go. The circles are the loops in C; there is none where the mechanism \
    does not take such a message.
    """
  private static let latencyNote = "So many of the round trips take at most so long: from the fastest to the slowest."

  private var machine: String {
    """
    <dl>
    <dt>processor</dt><dd>\(facts.cpuModel.escapedForHTML)</dd>
    <dt>CPUs</dt><dd>\(facts.cpus), of which \(facts.usableCPUs) may be used</dd>
    <dt>kernel</dt><dd>\(facts.kernel.escapedForHTML)</dd>
    <dt>date</dt><dd>\(facts.date.escapedForHTML)</dd>
    <dt>reproduce</dt><dd><code>\(command.escapedForHTML)</code></dd>
    <dt>measured</dt><dd>\(run.results.count) of \(run.total)</dd>
    </dl>
    """
  }

  private var advice: String {
    let lines = BenchAdvice(run.results).lines
    if lines.isEmpty { return "<p>Nothing was measured.</p>" }
    let items = lines.map { line in
      let parts = line.escapedForHTML.split(separator: ":", maxSplits: 1)
      return "<li><strong>\(parts[0])</strong>:\(parts.count > 1 ? parts[1] : "")</li>"
    }
    return "<h2>To choose here</h2>\n<ul>\n\(items.joined(separator: "\n"))\n</ul>"
  }

  private var legend: String {
    let keys = BenchCell.Pinning.allCases.map {
      "<span><i class=\"key-\($0.rawValue)\"></i>\(ChartUnit.pinning($0))</span>"
    }
    return "<p class=\"legend\">\(keys.joined())<span><i class=\"key-raw\"></i>the loop in C</span></p>"
  }

  private var bars: String {
    let charts = [
      BarChart(run, .roundTrip, bytes: 8), BarChart(run, .roundTrip, bytes: 4 << 10),
      BarChart(run, .throughput, bytes: 64), BarChart(run, .throughput, bytes: 1 << 20),
    ]
    return charts.compactMap(\.self).map { "<h2>\($0.title.escapedForHTML)</h2>\n<figure>\($0.svg)</figure>" }
      .joined(separator: "\n")
  }

  private func small(_ title: String, _ charts: SmallCharts, _ note: String) -> String {
    let drawings = charts.svgs
    if drawings.isEmpty { return "" }
    return "<h2>\(title)</h2>\n<p>\(note)</p>\n<div class=\"small\">\n\(drawings.joined(separator: "\n"))\n</div>"
  }

  private var table: String {
    let headings = ["mechanism", "what", "CPUs", "channel", "p50", "p99", "p99.9", "loop in C", "ratio", "CPU"]
    let head = headings.map { "<th>\($0)</th>" }.joined()
    let rows = run.results.map { result -> String in
      let cell = result.cell
      func time(_ level: Double) -> String { result.latency(level).map(BenchUnit.time) ?? "" }
      let words = [
        result.name, BenchTable.what(cell), cell.pinning.rawValue, BenchUnit.value(result.value, cell.measure),
        time(50), time(99), time(99.9), result.raw.map { BenchUnit.value($0, cell.measure) } ?? BenchTable.note(result),
        result.ratio.map(BenchUnit.digits) ?? "-", BenchUnit.digits(result.cpu),
      ]
      return "<tr>\(words.map { "<td>\($0.escapedForHTML)</td>" }.joined())</tr>"
    }
    return """
      <h2>All figures</h2>
      <div class="wide"><table>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody>
      </table></div>
      """
  }

  private var method: String {
    var names: [String] = []
    for result in run.results where !names.contains(result.name) { names.append(result.name) }
    let loops = names.compactMap(Mechanism.init(rawValue:)).map {
      "<dt>\($0)</dt><dd>\($0.rawLoop.escapedForHTML)</dd>"
    }
    return """
      <h2>How it was measured</h2>
      <p>Two processes exchange messages over a channel, in turns with a loop in C over the same mechanism: \
      \(run.effort.slices) slices of \(formatted("%.0f", run.effort.slice * 1e-6)) ms each. Values are the median of the \
      slices, the ratio is the median of the slices' ratios; percentiles are of all round trips. CPU is how many CPU \
      seconds both processes burn a second. Over file and mapped-file, which go one way, a round trip takes two.</p>
      <p>The loops in C:</p>
      <dl>
      \(loops.joined(separator: "\n"))
      </dl>
      """
  }
}
