// swift-tools-version: 6.2
import PackageDescription

// Training needs libtorch, whose place on this machine the launchers (`./tapestry`, `./dev`) find and announce here.
// Without it there is no `tapestry-libtorch`, and `tapestry` says what training lacks.
let hasLibtorch = Context.environment["TAPESTRY_LIBTORCH"] != nil

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error), .enableUpcomingFeature("MemberImportVisibility")]
// For the tests of the programs alone: no source asks what was built.
let besideLibtorch: [SwiftSetting] = hasLibtorch ? [.define("TAPESTRY_LIBTORCH")] : []

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let swiftProtobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

var products: [Product] = [
    .library(
        name: "Tapestry",
        targets: ["TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryModelFile", "TapestryFormats"]),
    .library(
        name: "TapestryRuntime",
        targets: ["TapestryInference", "TapestryCore", "TapestryRewrites", "TapestryModelFile", "TapestryRuntime"]),
    .library(name: "TapestryCInterface", type: .static, targets: ["TapestryCInterface"]),
    .executable(name: "tapestry", targets: ["tapestry"]),
]

var targets: [Target] = [
    .target(name: "TapestryCore", swiftSettings: strict),
    .target(name: "TapestryRewrites", dependencies: ["TapestryCore"], swiftSettings: strict),
    .target(name: "TapestryMethods", dependencies: ["TapestryCore", "TapestryRewrites"], swiftSettings: strict),
    .systemLibrary(name: "Clibjpeg", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
    .target(name: "CTapestryImages", dependencies: ["Clibjpeg"]),
    .systemLibrary(name: "Cspng", pkgConfig: "spng", providers: [.apt(["libspng-dev"])]),
    .systemLibrary(name: "Czlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CTapestrySHA256"),
    .target(name: "CTapestryMemory"),
    .target(name: "TapestryModelFile", dependencies: ["TapestryCore", "CTapestrySHA256"], swiftSettings: strict),
    .target(
        name: "TapestryFormats",
        dependencies: [
            "TapestryCore", "TapestryModelFile", "CTapestryImages", "Cspng", "Czlib", swiftProtobuf, yams,
        ],
        exclude: ["ONNX/Schema/README.md"], swiftSettings: strict),
    .target(
        name: "TapestryData", dependencies: ["TapestryCore", "TapestryFormats", "CTapestryImages"],
        swiftSettings: strict),
    .target(
        name: "TapestryRecipes",
        dependencies: ["TapestryCore", "TapestryMethods", "TapestryFormats", "TapestryData", "TapestryRuntime"],
        swiftSettings: strict),
    .target(name: "CTapestryKernels"),
    .target(name: "TapestryRuntime", dependencies: ["TapestryCore", "CTapestryKernels"], swiftSettings: strict),
    .target(
        name: "TapestryInference",
        dependencies: ["TapestryCore", "TapestryRewrites", "TapestryModelFile", "TapestryRuntime"],
        swiftSettings: strict),
    .target(name: "CTapestryCUDA", exclude: ["kernels"]),
    .target(
        name: "TapestryCUDA", dependencies: ["TapestryCore", "TapestryModelFile", "CTapestryCUDA"],
        swiftSettings: strict),
    .target(name: "CTapestry"),
    .target(name: "TapestryCInterface", dependencies: ["CTapestry", "TapestryInference"], swiftSettings: strict),
    .target(
        name: "TapestryCommandLine",
        dependencies: [
            "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats", "TapestryData", "TapestryRecipes",
            "TapestryRuntime", "TapestryCUDA", "CTapestryMemory", argumentParser,
        ],
        swiftSettings: strict),
    .executableTarget(name: "tapestry", dependencies: ["TapestryCommandLine"], swiftSettings: strict),
    .executableTarget(
        name: "packed-reading", dependencies: ["TapestryCore", "TapestryFormats", argumentParser],
        path: "Benchmarks/PackedReading", swiftSettings: strict),
    .executableTarget(
        name: "loading-images", dependencies: ["TapestryCore", "TapestryFormats", "TapestryData", argumentParser],
        path: "Benchmarks/LoadingImages", swiftSettings: strict),
    .target(name: "TileEmulation", path: "Tests/TileEmulation"),
    .target(
        name: "TapestryTestSupport", dependencies: ["TapestryCore", "TapestryModelFile"],
        path: "Tests/TapestryTestSupport",
        swiftSettings: strict),
    .testTarget(
        name: "TapestryCoreTests", dependencies: ["TapestryCore", "TapestryTestSupport"], swiftSettings: strict),
    .testTarget(
        name: "TapestryRewritesTests",
        dependencies: [
            "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats", "TapestryTestSupport",
        ],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryMethodsTests",
        dependencies: [
            "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats", "TapestryTestSupport",
        ],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryModelFileTests",
        dependencies: ["TapestryCore", "CTapestrySHA256", "TapestryModelFile", "TapestryTestSupport"],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryFormatsTests", dependencies: ["TapestryCore", "TapestryFormats", "TapestryTestSupport"],
        swiftSettings: strict),
    .testTarget(
        name: "CommandLineTests",
        dependencies: [
            "TapestryCommandLine", "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats",
            "TapestryData", "TapestryTestSupport",
        ],
        swiftSettings: strict + besideLibtorch),
    .testTarget(
        name: "TapestryDataTests",
        dependencies: ["TapestryCore", "TapestryFormats", "TapestryData", "TapestryTestSupport"],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryRecipesTests",
        dependencies: ["TapestryMethods", "TapestryFormats", "TapestryData", "TapestryRecipes"],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryInferenceTests",
        dependencies: ["CTapestry", "TapestryCInterface", "TapestryInference", "TapestryTestSupport"],
        swiftSettings: strict),
    .testTarget(
        name: "TapestryCUDATests",
        dependencies: ["TapestryCore", "CTapestryCUDA", "TapestryCUDA", "TapestryTestSupport"], swiftSettings: strict),
    .testTarget(
        name: "TapestryRuntimeTests",
        dependencies: [
            "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryRuntime", "TapestryTestSupport",
            "TileEmulation",
        ],
        swiftSettings: strict),
]

if hasLibtorch {
    products += [
        .library(name: "TapestryTraining", targets: ["TapestryRecipes", "TapestryTraining"]),
        .executable(name: "tapestry-libtorch", targets: ["tapestry-libtorch"]),
    ]
    targets += [
        .systemLibrary(name: "Clibtorch", pkgConfig: "libtorch"),
        .target(
            name: "CTapestryTorch", dependencies: ["Clibtorch", "CTapestryCUDA"], exclude: ["nccl"],
            cxxSettings: [.headerSearchPath("forwarding")]),
        .target(
            name: "TapestryTorch",
            dependencies: [
                "TapestryCore", "TapestryRuntime", "TapestryCUDA", "CTapestryCUDA", "CTapestryMemory", "CTapestryTorch",
            ],
            swiftSettings: strict),
        .target(
            name: "TapestryTraining",
            dependencies: [
                "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats", "TapestryData",
                "TapestryRecipes", "TapestryRuntime", "TapestryTorch",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "tapestry-libtorch",
            dependencies: [
                "TapestryCommandLine", "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats",
                "TapestryData", "TapestryRecipes", "TapestryRuntime", "TapestryTorch", "TapestryTraining",
                argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "cuda-check",
            dependencies: ["TapestryCore", "TapestryCUDA", "TapestryTorch", argumentParser],
            path: "Benchmarks/CUDACheck", swiftSettings: strict),
        .executableTarget(
            name: "training-steps",
            dependencies: [
                "TapestryCore", "TapestryMethods", "TapestryRecipes", "TapestryRuntime", "TapestryTorch",
                "TapestryTraining", argumentParser,
            ],
            path: "Benchmarks/TrainingSteps", swiftSettings: strict),
        .testTarget(
            name: "TapestryTorchTests",
            dependencies: [
                "TapestryCore", "TapestryMethods", "TapestryRuntime", "TapestryCUDA", "CTapestryTorch", "TapestryTorch",
                "TapestryTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TapestryTrainingTests",
            dependencies: [
                "TapestryCore", "TapestryMethods", "TapestryFormats", "TapestryData", "TapestryRecipes",
                "TapestryRuntime", "TapestryTorch", "TapestryTraining", "TapestryTestSupport",
            ],
            swiftSettings: strict),
    ]
}

// `./dev fuzz` builds every module anew, aside and instrumented, and asks for its program here.
if Context.environment["TAPESTRY_FUZZ"] != nil {
    targets += [
        .target(name: "CFuzz", path: "Fuzz/CFuzz"),
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "TapestryCore", "TapestryRewrites", "TapestryMethods", "TapestryFormats", "TapestryTestSupport",
                "CFuzz",
                "Czlib",
            ],
            path: "Fuzz/Sources", swiftSettings: strict),
    ]
}

let package = Package(
    name: "Tapestry",
    products: products,
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: targets,
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)
