import TapestryFormats

/// Changing an image's colours as Pillow's `ImageEnhance` and torchvision's `adjust_hue` do, rounding included.
///
/// Source: Pillow, PIL/ImageEnhance.py and src/libImaging/{Blend,Convert}.c; torchvision, transforms/_functional_pil.py.
public enum ColorAdjustment {
    /// 0 is black, 1 the image itself. Precondition: factor >= 0, as for all factors.
    public static func brightness(_ image: PixelImage, factor: Double) -> PixelImage {
        blend(image, factor: factor) { _ in 0 }
    }

    /// 0 is the mean of the image's luma everywhere, 1 the image itself.
    public static func contrast(_ image: PixelImage, factor: Double) -> PixelImage {
        let luma = lumas(of: image)
        let sum = luma.reduce(0) { $0 + Int($1) }
        let mean = UInt8(Double(sum) / Double(luma.count) + 0.5)
        return blend(image, factor: factor) { _ in mean }
    }

    /// 0 is the image in grey, 1 the image itself.
    public static func saturation(_ image: PixelImage, factor: Double) -> PixelImage {
        guard image.channels == 3 else { return image }
        let luma = lumas(of: image)
        return blend(image, factor: factor) { pixel in luma[pixel] }
    }

    /// Turns every hue by `factor` of the colour circle. Precondition: -0.5 <= factor <= 0.5.
    public static func hue(_ image: PixelImage, factor: Double) -> PixelImage {
        precondition((-0.5...0.5).contains(factor))
        guard image.channels == 3 else { return image }
        let shift = UInt8(truncatingIfNeeded: Int(factor * 255))
        var result = image
        result.pixels.withUnsafeMutableBufferPointer { pixels in
            for index in stride(from: 0, to: pixels.count, by: 3) {
                let (hue, saturation, value) = HSV.components(pixels[index], pixels[index + 1], pixels[index + 2])
                (pixels[index], pixels[index + 1], pixels[index + 2]) = HSV.rgb(hue &+ shift, saturation, value)
            }
        }
        return result
    }

    /// ITU-R 601-2 luma in fixed point, for grey images the pixels themselves.
    static func lumas(of image: PixelImage) -> [UInt8] {
        guard image.channels == 3 else { return image.pixels }
        let count = image.pixels.count / 3
        return [UInt8](unsafeUninitializedCapacity: count) { luma, initialized in
            image.pixels.withUnsafeBufferPointer { pixels in
                for pixel in 0..<count {
                    let red = UInt32(pixels[3 * pixel]) * 19595
                    let green = UInt32(pixels[3 * pixel + 1]) * 38470
                    let blue = UInt32(pixels[3 * pixel + 2]) * 7471
                    luma[pixel] = UInt8((red + green + blue + 0x8000) >> 16)
                }
            }
            initialized = count
        }
    }

    /// other + factor (image - other), cut to 0...255 and to a whole number.
    private static func blend(_ image: PixelImage, factor: Double, with other: (Int) -> UInt8) -> PixelImage {
        let alpha = Float(factor)
        let channels = image.channels
        var result = image
        result.pixels.withUnsafeMutableBufferPointer { pixels in
            for pixel in 0..<pixels.count / channels {
                let start = Float(other(pixel))
                for index in pixel * channels..<(pixel + 1) * channels {
                    let value = start + alpha * (Float(pixels[index]) - start)
                    pixels[index] = UInt8(min(max(value, 0), 255))
                }
            }
        }
        return result
    }
}

/// Pillow's 8-bit hue, saturation and value.
private enum HSV {
    static func components(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> (UInt8, UInt8, UInt8) {
        let largest = max(red, green, blue)
        let smallest = min(red, green, blue)
        guard largest > smallest else { return (0, 0, largest) }
        let range = Float(largest - smallest)
        let saturation = range / Float(largest)
        let fromRed = Float(largest - red) / range
        let fromGreen = Float(largest - green) / range
        let fromBlue = Float(largest - blue) / range
        // The source mixes widths: the sums with a constant are doubles, their result a float.
        var hue: Float
        if red == largest {
            hue = fromBlue - fromGreen
        } else if green == largest {
            hue = Float(2.0 + Double(fromRed) - Double(fromBlue))
        } else {
            hue = Float(4.0 + Double(fromGreen) - Double(fromRed))
        }
        // Between 5/6 and 11/6, of which the whole part goes.
        let turns = Double(hue) / 6.0 + 1.0
        hue = Float(turns >= 1 ? turns - 1 : turns)
        return (clip(Double(hue) * 255.0), clip(Double(saturation) * 255.0), largest)
    }

    static func rgb(_ hue: UInt8, _ saturation: UInt8, _ value: UInt8) -> (UInt8, UInt8, UInt8) {
        guard saturation > 0 else { return (value, value, value) }
        let position = Double(hue) * 6.0 / 255.0
        let sector = Int(position)
        let fraction = Double(Float(position - Double(sector)))
        let share = Double(Float(saturation) / 255)
        let full = Double(value)
        let p = clip(full * (1.0 - share) + 0.5)
        let q = clip(full * (1.0 - share * fraction) + 0.5)
        let t = clip(full * (1.0 - share * (1.0 - fraction)) + 0.5)
        switch sector % 6 {
        case 0: return (value, t, p)
        case 1: return (q, value, p)
        case 2: return (p, value, t)
        case 3: return (p, q, value)
        case 4: return (t, p, value)
        default: return (value, p, q)
        }
    }

    private static func clip(_ value: Double) -> UInt8 { UInt8(min(max(value, 0), 255)) }
}
