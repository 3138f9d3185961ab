// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as a program that uses Tapestry would be. It needs neither libtorch nor unsafe flags:
//     swift run --package-path Examples/CountNetworks
let package = Package(
    name: "CountNetworks",
    dependencies: [.package(name: "tapestry", path: "../..")],
    targets: [
        .executableTarget(
            name: "CountNetworks",
            dependencies: [.product(name: "Tapestry", package: "tapestry")])
    ]
)
