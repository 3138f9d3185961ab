import TapestryInference

/// Prints what a model sees in an image of the network's size.
@main
struct ClassifyImage {
    static func main() throws {
        guard CommandLine.arguments.count == 3 else { fatalError("usage: ClassifyImage MODEL IMAGE.ppm") }
        let (path, image) = (CommandLine.arguments[1], try PortablePixmap(contentsOf: CommandLine.arguments[2]))

        let model = try ModelFile.read(path)
        let network = try NativeNetwork(model.deployed())
        let normalization = try Normalization.preset(model.facts["normalization"] ?? "none", channels: 3)
        let logits = try network(normalization.input(image.pixels, height: image.height, width: image.width)).elements

        let best = logits.indices.max { logits[$0] < logits[$1] }!
        let names = try NameList.classNames.read(model.facts, path: path) ?? []
        print(best < names.count ? names[best] : "class \(best)")
    }
}
