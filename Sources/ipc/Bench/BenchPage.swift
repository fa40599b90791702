struct BenchPage {
  init(_ facts: MachineFacts, _ run: BenchRun, command: ArraySlice<String>) {}
  var text: String { "" }
}
