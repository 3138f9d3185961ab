import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTestSupport
import Testing

/// What torchvision made of two pictures, by name (Scripts/fixtures/images.py).
struct TransformFixture {
    private let file: SafetensorsFile

    init() throws { file = try SafetensorsFile.read(Fixture.path("transforms.safetensors")) }

    func image(_ name: String) throws -> PixelImage {
        guard case .uint8(let tensor)? = file[name] else {
            Issue.record("no fixture '\(name)'")
            return PixelImage(height: 0, width: 0, channels: 1, pixels: [])
        }
        return PixelImage(
            height: tensor.shape[0], width: tensor.shape[1], channels: tensor.shape[2], pixels: tensor.elements)
    }

    func floats(_ name: String) throws -> Tensor<Float> { try #require(file[name]?.float32) }

    /// The names that begin with `prefix`, and what follows it.
    func names(_ prefix: String) -> [(name: String, rest: String)] {
        file.tensors.map(\.name).filter { $0.hasPrefix(prefix) }.map { ($0, String($0.dropFirst(prefix.count))) }
    }
}

extension PixelImage {
    /// The largest difference of two images' pixels; 256 if their extents differ.
    func largestDifference(from other: PixelImage) -> Int {
        guard (height, width, channels) == (other.height, other.width, other.channels) else { return 256 }
        return zip(pixels, other.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
    }

    /// A picture in which every pixel has a value of its own, as far as 8 bits go.
    static func numbered(height: Int, width: Int, channels: Int) -> PixelImage {
        let count = height * width * channels
        return PixelImage(
            height: height, width: width, channels: channels,
            pixels: (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) })
    }
}

/// Runs `augmentation` over one image.
func apply(
    _ augmentation: Augmentation, to image: PixelImage, seed: UInt64 = 1, epoch: UInt64 = 0, index: UInt64 = 0
) throws -> [Float] {
    let transform = try SampleTransform(
        augmentation, input: ImageSize(height: image.height, width: image.width), channels: image.channels)
    var random = RandomStream(seed: seed, purpose: .augmentation, epoch, index)
    var output = [Float](repeating: .nan, count: transform.elementCount)
    try output.withUnsafeMutableBufferPointer { buffer in
        try image.withView { try transform.apply(to: $0, using: &random, output: buffer.baseAddress!) }
    }
    return output
}

/// Pixels as they are, for reading what the steps before did.
func identity(channels: Int) -> Normalization {
    let numbers = [Float](repeating: 1.0 / 255, count: channels)
    return Normalization(mean: numbers.map { _ in 0 }, standardDeviation: numbers)
}
