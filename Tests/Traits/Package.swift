// swift-tools-version: 6.2
import PackageDescription

// What traits add is tested as a package that asks for them: the tests of everything else are not built again.

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

func ours(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-interprocess") }
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
  name: "Traits",
  dependencies: [
    // Named, since a path's own name is that of whatever directory the repository was cloned into.
    .package(
      name: "swift-interprocess", path: "../..",
      traits: ["FoundationEssentials", "Logging", "Metrics", "Tracing", "ServiceLifecycle", "Authentication"]),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // Links to what the tests without traits are made of.
    .target(name: "TestSupport", dependencies: [ours("Interprocess"), system], swiftSettings: settings),
    .target(
      name: "WorkerPrograms", dependencies: [ours("Interprocess"), ours("Workers"), system], swiftSettings: settings),

    // Of the helper what the tests of the codec run.
    .executableTarget(
      name: "forked-process-helper", dependencies: [ours("Interprocess")], swiftSettings: settings),
    .testTarget(
      name: "CodecTests", dependencies: ["TestSupport", "forked-process-helper", ours("Interprocess"), system],
      swiftSettings: settings + [.define("FoundationEssentials")]),
    .testTarget(
      name: "AuthenticationTests", dependencies: ["TestSupport", ours("Interprocess"), system], swiftSettings: settings),
    .testTarget(
      name: "ObservingTests",
      dependencies: [
        "TestSupport", "WorkerPrograms", ours("Interprocess"), ours("Workers"), system,
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
        .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
