import TapestryCore
import TapestryFormats

/// Random brightness, contrast, saturation and hue, in a random order, each as strong as its number says (0 is not at
/// all): a factor uniform in [max(0, 1 - s), 1 + s], and for the hue a turn uniform in [-s, s].
///
/// Source: torchvision, transforms.ColorJitter.
public struct ColorJitter: Hashable, Sendable {
    public let brightness: Double
    public let contrast: Double
    public let saturation: Double
    public let hue: Double

    /// Preconditions: no strength is negative, and the hue's is at most 0.5.
    public init(brightness: Double = 0, contrast: Double = 0, saturation: Double = 0, hue: Double = 0) {
        precondition(brightness >= 0 && contrast >= 0 && saturation >= 0 && (0...0.5).contains(hue))
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
    }

    func apply(to image: PixelImage, using random: inout RandomStream) -> PixelImage {
        var image = image
        for adjustment in random.permutation(of: 4) {
            switch adjustment {
            case 0: adjust(&image, brightness, ColorAdjustment.brightness, using: &random)
            case 1: adjust(&image, contrast, ColorAdjustment.contrast, using: &random)
            case 2: adjust(&image, saturation, ColorAdjustment.saturation, using: &random)
            default:
                guard hue > 0 else { continue }
                image = ColorAdjustment.hue(image, factor: random.uniform(in: -hue...hue))
            }
        }
        return image
    }

    private func adjust(
        _ image: inout PixelImage, _ strength: Double, _ function: (PixelImage, Double) -> PixelImage,
        using random: inout RandomStream
    ) {
        guard strength > 0 else { return }
        image = function(image, random.uniform(in: max(0, 1 - strength)...1 + strength))
    }
}
