// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as a program that only runs networks would be. It needs no library beside Swift's own:
//     swift run -c release --package-path Examples/ClassifyImage ClassifyImage MODEL IMAGE.ppm
let package = Package(
    name: "ClassifyImage",
    dependencies: [.package(name: "tapestry", path: "../..")],
    targets: [
        .executableTarget(
            name: "ClassifyImage",
            dependencies: [.product(name: "TapestryRuntime", package: "tapestry")])
    ]
)
