// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

// The peer is C at its best: what a user who wants speed would write on the command line.
let fastestC: [CSetting] = [.unsafeFlags(["-O3", "-march=native", "-ffast-math"], .when(configuration: .release))]

let package = Package(
  name: "Benchmarks",
  products: [
    .executable(name: "pi-benchmark", targets: ["PiBenchmark"]),
    .executable(name: "mechanisms-benchmark", targets: ["MechanismsBenchmark"]),
    .executable(name: "ring-benchmark", targets: ["RingBenchmark"]),
    .executable(name: "codec-benchmark", targets: ["CodecBenchmark"]),
    .executable(name: "workers-benchmark", targets: ["WorkersBenchmark"]),
    .executable(name: "forked-pipes", targets: ["ForkedPipes"]),
  ],
  // Named, since a path's own name is that of whatever directory the repository was cloned into.
  dependencies: [.package(name: "swift-interprocess", path: "..")],
  targets: [
    .target(name: "BenchmarkSupport", swiftSettings: settings),
    .target(name: "CKernel", cSettings: fastestC),
    // Without fast math: what the others are measured against is added in the order that is written.
    .target(name: "CReference"),
    .executableTarget(
      name: "ForkedPipes", dependencies: ["CKernel"], cSettings: fastestC, linkerSettings: [.linkedLibrary("m")]),
    .executableTarget(
      name: "PiBenchmark", dependencies: ["BenchmarkSupport", "CKernel", "CReference", "ForkedPipes"],
      swiftSettings: settings),

    // SwiftPM compiles C with -O2.
    .target(name: "CLoops"),
    // Replaces malloc in whatever it is linked into.
    .target(name: "CAllocations"),
    .executableTarget(
      name: "MechanismsBenchmark",
      dependencies: [
        "BenchmarkSupport", "CAllocations", "CLoops",
        .product(name: "Interprocess", package: "swift-interprocess"),
      ],
      swiftSettings: settings),

    // C++ for rigtorp's algorithm and, where it is installed, Boost.
    .target(name: "CRingFloors"),
    .executableTarget(
      name: "RingBenchmark",
      dependencies: [
        "BenchmarkSupport", "CAllocations", "CRingFloors",
        .product(name: "Interprocess", package: "swift-interprocess"),
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "CodecBenchmark",
      dependencies: ["BenchmarkSupport", .product(name: "Interprocess", package: "swift-interprocess")],
      swiftSettings: settings),

    .executableTarget(
      name: "WorkersBenchmark",
      dependencies: [
        "BenchmarkSupport", "CRingFloors",
        .product(name: "Interprocess", package: "swift-interprocess"),
        .product(name: "Workers", package: "swift-interprocess"),
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
