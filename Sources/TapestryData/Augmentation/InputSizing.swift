/// How images of other sizes than the network's are brought to its size, where nothing is random.
public struct InputSizing: Hashable, Sendable {
    /// The shares that a setting or a model's record may name.
    public static let shares = 0.1...1.0

    public var filter: ResamplingFilter
    /// Of images that differ in size: the side of the central crop over the shorter side of the resized image. ImageNet's
    /// Resize(256) and CenterCrop(224) are 0.875.
    public var centerCropShare: Double

    /// Precondition: the share is within `shares`.
    public init(filter: ResamplingFilter = .bilinear, centerCropShare: Double = 0.875) {
        precondition(Self.shares.contains(centerCropShare))
        self.filter = filter
        self.centerCropShare = centerCropShare
    }

    /// Steps that make `size` x `size` images of a data set's: none where they are so; images of one size are resized;
    /// of others the central part is taken.
    func steps(for dataset: any ImageDataset, size: Int) -> [PreprocessingStep] {
        let target = ImageSize(height: size, width: size)
        guard let uniform = dataset.uniformSize else { return middle(target) }
        return uniform == target ? [] : [.resizeTo(target, filter: filter)]
    }

    /// Steps that take the middle of an image of any size. Precondition: the target is square.
    func middle(_ target: ImageSize) -> [PreprocessingStep] {
        let shorterSide = Int((Double(target.height) / centerCropShare).rounded(.up))
        return [.resize(shorterSide: shorterSide, filter: filter), .centerCrop(target)]
    }
}

// MARK: - In a model's record

extension InputSizing {
    private static let keys = (filter: "resize-filter", share: "center-crop-share")

    /// What a model's facts keep, so that it is evaluated as it was tested in training.
    public var facts: [String: String] {
        [Self.keys.filter: filter.rawValue, Self.keys.share: String(centerCropShare)]
    }

    /// What a model's facts say; nil where they say nothing. Throws: `DataError` for a value that cannot be.
    public init?(facts: [String: String]) throws(DataError) {
        guard facts[Self.keys.filter] != nil || facts[Self.keys.share] != nil else { return nil }
        let standard = InputSizing()
        let name = facts[Self.keys.filter] ?? standard.filter.rawValue
        guard let filter = ResamplingFilter(rawValue: name) else {
            let known = ResamplingFilter.allCases.map(\.rawValue).joined(separator: " or ")
            throw DataError("its \(Self.keys.filter) is \"\(name)\", not \(known)")
        }
        let text = facts[Self.keys.share] ?? String(standard.centerCropShare)
        guard let share = Double(text), Self.shares.contains(share) else {
            throw DataError("its \(Self.keys.share) is \"\(text)\", not a number within \(Self.shares)")
        }
        self.init(filter: filter, centerCropShare: share)
    }
}
