import Foundation
import TapestryCore

/// A rectangle of pixels; it may reach beyond its image, where pixels are zero.
public struct CropRectangle: Hashable, Sendable {
    public let top: Int
    public let left: Int
    public let size: ImageSize

    public init(top: Int, left: Int, size: ImageSize) {
        self.top = top
        self.left = left
        self.size = size
    }
}

/// Which part of an image, or which size, torchvision's transforms take.
///
/// Source: torchvision, transforms/functional.py (`resize`, `center_crop`) and transforms.py (`RandomResizedCrop`).
public enum CropGeometry {
    /// The size at which the shorter side is `side` and the longer in proportion, cut to a whole number.
    ///
    /// Precondition: positive extents.
    public static func size(of image: ImageSize, shorterSide side: Int) -> ImageSize {
        let (short, long) = (min(image.height, image.width), max(image.height, image.width))
        // In floating point as in the source, whose result can be one less than the exact quotient.
        let other = Int(Double(side * long) / Double(short))
        return image.width <= image.height
            ? ImageSize(height: other, width: side) : ImageSize(height: side, width: other)
    }

    /// The rectangle of `size` in the middle of an image, which gets zeros around it where it is smaller.
    public static func center(_ size: ImageSize, in image: ImageSize) -> CropRectangle {
        CropRectangle(
            top: centerOffset(size.height, in: image.height), left: centerOffset(size.width, in: image.width),
            size: size)
    }

    private static func centerOffset(_ part: Int, in whole: Int) -> Int {
        if part > whole { return -((part - whole) / 2) }
        return Int((Double(whole - part) / 2).rounded(.toNearestOrEven))
    }

    /// A rectangle whose share of the area is uniform in `scale` and whose ratio of width to height is log-uniform in
    /// `ratio`; after ten that do not fit, the largest central one of a permitted ratio.
    ///
    /// Precondition: 0 < scale, 0 < ratio.
    public static func randomResized(
        in image: ImageSize, scale: ClosedRange<Double>, ratio: ClosedRange<Double>, using random: inout RandomStream
    ) -> CropRectangle {
        let area = Double(image.height * image.width)
        let logRatio = log(ratio.lowerBound)...log(ratio.upperBound)
        for _ in 0..<10 {
            let target = area * random.uniform(in: scale)
            let aspect = exp(random.uniform(in: logRatio))
            let width = Int((target * aspect).squareRoot().rounded(.toNearestOrEven))
            let height = Int((target / aspect).squareRoot().rounded(.toNearestOrEven))
            guard 0 < width, width <= image.width, 0 < height, height <= image.height else { continue }
            return CropRectangle(
                top: random.integer(below: image.height - height + 1),
                left: random.integer(below: image.width - width + 1), size: ImageSize(height: height, width: width))
        }
        return largestCentral(in: image, ratio: ratio)
    }

    private static func largestCentral(in image: ImageSize, ratio: ClosedRange<Double>) -> CropRectangle {
        let actual = Double(image.width) / Double(image.height)
        var (height, width) = (image.height, image.width)
        if actual < ratio.lowerBound {
            height = Int((Double(width) / ratio.lowerBound).rounded(.toNearestOrEven))
        } else if actual > ratio.upperBound {
            width = Int((Double(height) * ratio.upperBound).rounded(.toNearestOrEven))
        }
        return CropRectangle(
            top: (image.height - height) / 2, left: (image.width - width) / 2,
            size: ImageSize(height: height, width: width))
    }
}
