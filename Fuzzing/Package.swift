// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  // As with the trait: Date and Data are among what is decoded.
  .define("FoundationEssentials"),
  .unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library"]),
]

// A package of its own: only who fuzzes needs the sanitizers. The sources are symbolic links, so that they are built with
// the fuzzer's instrumentation.
let package = Package(
  name: "Fuzzing",
  targets: [
    .target(name: "CInterprocess"),
    .target(name: "CFuzzer"),
    .target(name: "Interprocess", dependencies: ["CInterprocess"], swiftSettings: settings),
    .executableTarget(
      name: "fuzz-cbor", dependencies: ["CFuzzer", "Interprocess"], path: "Sources/FuzzCBOR", swiftSettings: settings,
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]),
  ],
  swiftLanguageModes: [.v6]
)
