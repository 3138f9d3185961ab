import TapestryFormats

/// What reading every image of a data set found.
public struct DatasetReport: Equatable, Sendable {
    /// An image that could not be read, and why.
    public struct Failure: Equatable, Sendable {
        public let index: Int
        public let reason: String
    }

    public let classNames: [String]
    /// Images of each class.
    public let countPerClass: [Int]
    /// Mean and population standard deviation of each channel over all pixels, of 0...1.
    public let mean: [Double]
    public let standardDeviation: [Double]
    /// Images of each size.
    public let countPerSize: [ImageSize: Int]
    public let failures: [Failure]

    public var count: Int { countPerClass.reduce(0, +) }

    /// Reads and decodes every image of `dataset`.
    public init(verifying dataset: any ImageDataset) {
        var countPerClass = Array(repeating: 0, count: dataset.classNames.count)
        var countPerSize: [ImageSize: Int] = [:]
        var failures: [Failure] = []
        var sums = ChannelSums(channels: dataset.channels)
        for index in 0..<dataset.count {
            countPerClass[dataset.label(at: index)] += 1
            do {
                try dataset.withPixels(at: index) { view in
                    countPerSize[ImageSize(height: view.height, width: view.width), default: 0] += 1
                    sums.add(view)
                }
            } catch {
                failures.append(Failure(index: index, reason: "\(error)"))
            }
        }
        classNames = dataset.classNames
        self.countPerClass = countPerClass
        self.countPerSize = countPerSize
        self.failures = failures
        mean = sums.mean
        standardDeviation = sums.standardDeviation
    }
}

/// Exact sums of pixels and of their squares.
private struct ChannelSums {
    private var sums: [UInt64]
    private var squares: [UInt64]
    private var count = 0

    init(channels: Int) {
        sums = Array(repeating: 0, count: channels)
        squares = sums
    }

    mutating func add(_ view: PixelView) {
        for channel in 0..<view.channels {
            var (sum, square) = (UInt64(0), UInt64(0))
            for index in stride(from: channel, to: view.pixels.count, by: view.channels) {
                let value = UInt64(view.pixels[index])
                sum &+= value
                square &+= value &* value
            }
            sums[channel] += sum
            squares[channel] += square
        }
        count += view.height * view.width
    }

    var mean: [Double] { sums.map { count == 0 ? 0 : Double($0) / Double(count) / 255 } }

    var standardDeviation: [Double] {
        zip(squares, mean).map { square, mean in
            count == 0 ? 0 : max(0, Double(square) / Double(count) / (255 * 255) - mean * mean).squareRoot()
        }
    }
}
