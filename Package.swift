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

/// What pools of workers work with where somebody asks for it; without the traits nothing of these is fetched or built.
let observing: [Target.Dependency] = [
  .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Logging"])),
  .product(name: "Metrics", package: "swift-metrics", condition: .when(traits: ["Metrics"])),
  .product(name: "Tracing", package: "swift-distributed-tracing", condition: .when(traits: ["Tracing"])),
  .product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["ServiceLifecycle"])),
]

let package = Package(
  name: "swift-interprocess",
  products: [
    .library(name: "Interprocess", targets: ["Interprocess"]),
    .library(name: "Workers", targets: ["Workers"]),
    .executable(name: "ipc", targets: ["ipc"]),
  ],
  traits: [
    .trait(
      name: "FoundationEssentials", description: "The codec writes Data as a byte string and Date as CBOR's tag 1."),
    .trait(name: "Logging", description: "Pools of workers tell a swift-log logger what happens to their workers."),
    .trait(name: "Metrics", description: "Pools of workers count and measure their calls with swift-metrics."),
    .trait(
      name: "Tracing", description: "Calls in workers go on with their caller's trace (swift-distributed-tracing)."),
    .trait(name: "ServiceLifecycle", description: "A pool of workers is a service of swift-service-lifecycle."),
    .trait(
      name: "Authentication",
      description: "Channels with an authentication key, as Python's multiprocessing.connection has it."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CInterprocess", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "Interprocess",
      dependencies: [
        "CInterprocess", system,
        .product(name: "Crypto", package: "swift-crypto", condition: .when(traits: ["Authentication"])),
      ],
      swiftSettings: settings),
    // What `ipc bench` measures channels against.
    .target(name: "CBenchLoops", cSettings: [.treatAllWarnings(as: .error)]),
    .target(name: "CWorkers", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "Workers", dependencies: ["CInterprocess", "CWorkers", "Interprocess", system] + observing,
      swiftSettings: settings),
    .executableTarget(
      name: "ipc",
      dependencies: [
        "CBenchLoops", "CInterprocess", "Interprocess", "Workers", system,
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "BasicContainers", package: "swift-collections"),
      ],
      swiftSettings: settings),

    // What the tests of both targets need: running programs, the peers, and a look at what is left behind.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    // Forks, which the process that runs the tests may not do: it has threads.
    .executableTarget(
      name: "forked-process-helper", dependencies: ["CInterprocess", "Interprocess", system],
      path: "Tests/ForkedProcessHelper", swiftSettings: settings),
    // Both sides of a ring as threads, for ThreadSanitizer.
    .executableTarget(
      name: "ring-threads", dependencies: ["Interprocess", system], path: "Tests/RingThreads", swiftSettings: settings),
    .testTarget(
      name: "InterprocessTests",
      dependencies: ["CInterprocess", "Interprocess", "TestSupport", "forked-process-helper", system],
      swiftSettings: settings),
    // Programs that workers run, in the process of the tests and in those of two programs that have workers.
    .target(
      name: "WorkerPrograms", dependencies: ["CInterprocess", "Interprocess", "Workers", system],
      path: "Tests/WorkerPrograms",
      swiftSettings: settings),
    .executableTarget(
      name: "workers-helper", dependencies: ["CInterprocess", "Interprocess", "WorkerPrograms", "Workers", system],
      path: "Tests/WorkersHelper", swiftSettings: settings),
    .executableTarget(
      name: "workers-main-helper", dependencies: ["WorkerPrograms", "Workers"], path: "Tests/WorkersMainHelper",
      swiftSettings: settings),
    // What the traits add has a package of its own, Tests/Traits.
    .testTarget(
      name: "WorkersTests",
      dependencies: [
        "Interprocess", "TestSupport", "WorkerPrograms", "Workers", "workers-helper", "workers-main-helper", system,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "ipcTests",
      dependencies: ["CInterprocess", "ipc", "Interprocess", "TestSupport", "workers-helper", system],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
