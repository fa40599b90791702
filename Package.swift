// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  // Spans returned from our own types need lifetime dependencies; swift-nio and swift-system enable the same.
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
  name: "swift-interprocess",
  products: [
    .library(name: "Interprocess", targets: ["Interprocess"]),
    .library(name: "Workers", targets: ["Workers"]),
    .executable(name: "ipc", targets: ["ipc"]),
  ],
  traits: [
    .trait(
      name: "FoundationEssentials", description: "The codec writes Data as a byte string and Date as CBOR's tag 1.")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CInterprocess", cSettings: [.treatAllWarnings(as: .error)]),
    .target(name: "Interprocess", dependencies: ["CInterprocess", system], swiftSettings: settings),
    // What `ipc bench` measures channels against.
    .target(name: "CBenchLoops", cSettings: [.treatAllWarnings(as: .error)]),
    .target(name: "CWorkers", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "Workers", dependencies: ["CInterprocess", "CWorkers", "Interprocess", system], swiftSettings: settings),
    .executableTarget(
      name: "ipc",
      dependencies: [
        "CBenchLoops", "CInterprocess", "Interprocess", system,
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "BasicContainers", package: "swift-collections"),
      ],
      swiftSettings: settings),

    // What the tests of both targets need: running programs, the peers, and a look at what is left behind.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    // Forks, which the process that runs the tests may not do: it has threads.
    .executableTarget(
      name: "forked-process-helper", dependencies: ["Interprocess", system], path: "Tests/ForkedProcessHelper",
      swiftSettings: settings),
    // Both sides of a ring as threads, for ThreadSanitizer.
    .executableTarget(
      name: "ring-threads", dependencies: ["Interprocess", system], path: "Tests/RingThreads", swiftSettings: settings),
    .testTarget(
      name: "InterprocessTests",
      dependencies: ["CInterprocess", "Interprocess", "TestSupport", "forked-process-helper", system],
      swiftSettings: settings),
    // Programs that workers run, in the process of the tests and in those of two programs that have workers.
    .target(
      name: "WorkerPrograms", dependencies: ["Interprocess", "Workers", system], path: "Tests/WorkerPrograms",
      swiftSettings: settings),
    .executableTarget(
      name: "workers-helper", dependencies: ["CInterprocess", "Interprocess", "WorkerPrograms", "Workers", system],
      path: "Tests/WorkersHelper", swiftSettings: settings),
    .executableTarget(
      name: "workers-main-helper", dependencies: ["WorkerPrograms", "Workers"], path: "Tests/WorkersMainHelper",
      swiftSettings: settings),
    .testTarget(
      name: "WorkersTests",
      dependencies: [
        "Interprocess", "TestSupport", "WorkerPrograms", "Workers", "workers-helper", "workers-main-helper", system,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "ipcTests", dependencies: ["CInterprocess", "ipc", "Interprocess", "TestSupport", system],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
