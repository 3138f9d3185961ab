import TapestryCore

/// x ↦ (x / 255 - mean) / std for each channel, in 32-bit arithmetic as torchvision's ToTensor and Normalize have it.
///
/// Models that were trained by Tapestry name theirs in the fact `normalization`.
public struct Normalization: Equatable, Sendable {
    /// The preset's name, or nil for numbers of one's own.
    public let name: String?
    /// One number for each channel, of pixels in 0...1.
    public let mean: [Float]
    public let standardDeviation: [Float]

    /// Precondition: as many deviations as means, 1 or 3, the deviations positive.
    public init(mean: [Float], standardDeviation: [Float], name: String? = nil) {
        precondition([1, 3].contains(mean.count) && mean.count == standardDeviation.count)
        precondition(standardDeviation.allSatisfy { $0 > 0 })
        self.name = name
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    public var channels: Int { mean.count }

    /// The presets' names.
    public static let presetNames = ["ask", "acnet", "ec2t", "imagenet", "fashion-mnist", "none"]

    /// The preset of that name for images of so many channels (1 or 3).
    ///
    /// Source: the recipes of the published implementations.
    /// Throws: `NormalizationError` for an unknown name, and for a preset that has no numbers for so many channels.
    public static func preset(_ name: String, channels: Int) throws(NormalizationError) -> Normalization {
        guard let choices = presets[name] else {
            throw NormalizationError("no normalisation '\(name)': expected \(presetNames.joined(separator: ", "))")
        }
        for (mean, deviation) in choices where mean.count == channels {
            return Normalization(
                mean: mean.map { Float($0) }, standardDeviation: deviation.map { Float($0) }, name: name)
        }
        guard [1, 3].contains(channels) else {
            throw NormalizationError("images have 1 (grey) or 3 (RGB) channels, not \(channels)")
        }
        let known = choices.map { $0.mean.count == 1 ? "grey" : "RGB" }.joined(separator: " and ")
        throw NormalizationError(
            "normalisation '\(name)' is for \(known) images, these have \(channels) channel\(channels == 1 ? "" : "s"): "
                + "choose 'none' or another preset")
    }

    /// In double precision, as the published programs divide before they round to 32 bits.
    private static let presets: [String: [(mean: [Double], deviation: [Double])]] = [
        "ask": [([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])],
        "acnet": [([0.5], [0.5]), ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])],
        "ec2t": [
            ([125.3 / 255, 123.0 / 255, 113.9 / 255], [63.0 / 255, 62.1 / 255, 66.7 / 255]), ([0.1307], [0.3081]),
        ],
        "imagenet": [([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])],
        "fashion-mnist": [([0.2860], [0.3530])],
        "none": [([0], [1]), ([0, 0, 0], [1, 1, 1])],
    ]

    /// A network's input, 1 x C x H x W, of an image's bytes: H x W x C, row by row.
    ///
    /// Precondition: `pixels.count == height * width * channels`.
    public func input(_ pixels: [UInt8], height: Int, width: Int) -> Tensor<Float> {
        precondition(pixels.count == height * width * channels, "\(pixels.count) bytes for \(height)x\(width) pixels")
        let (table, area) = (table, height * width)
        let elements = (0..<channels).flatMap { channel in
            (0..<area).map { table[channel * 256 + Int(pixels[$0 * channels + channel])] }
        }
        return Tensor(shape: [1, channels, height, width], elements: elements)
    }

    /// The normalised value of every pixel value: element `channel * 256 + pixel`.
    package var table: [Float] {
        zip(mean, standardDeviation).flatMap { mean, deviation in
            (0..<256).map { (Float($0) / 255 - mean) / deviation }
        }
    }
}

/// A normalisation that there is not, or not for images of so many channels.
public struct NormalizationError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
