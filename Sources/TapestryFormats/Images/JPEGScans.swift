/// The scans of a JPEG file, counted before it is decoded.
///
/// Every scan goes over all of the image, however few bytes it has: a small file could keep a decoder busy for minutes.
struct JPEGScans {
    private(set) var count = 0
    /// Arithmetic coding instead of Huffman's, which takes several times as long.
    private(set) var isArithmetic = false
    private let byteCount: Int

    /// Follows the markers up to the end of the image, as libjpeg does.
    init(_ bytes: [UInt8]) {
        byteCount = bytes.count
        var place = 0
        while let mark = bytes[place...].firstIndex(of: 0xFF), mark + 1 < bytes.count {
            switch bytes[mark + 1] {
            // One of several that stand for one: the next one may begin the marker.
            case 0xFF: place = mark + 1
            // A byte of the image's, and markers that stand alone.
            case 0x00, 0x01, 0xD0...0xD8: place = mark + 2
            case 0xD9: return
            case let marker:
                if marker == 0xDA { count += 1 }
                if marker == 0xC9 || marker == 0xCA { isArithmetic = true }
                guard mark + 3 < bytes.count else { return }
                place = min(bytes.count, mark + 2 + max(2, Int(bytes[mark + 2]) << 8 | Int(bytes[mark + 3])))
            }
        }
    }

    /// Throws: `FormatError` if the scans are more than what an encoder makes of so many pixels and bytes.
    func check(pixelCount: Int, file: String) throws {
        // Encoders make about ten scans. A pixel of a scan takes about a nanosecond.
        let limit = 1 << 30 + byteCount << 10
        guard count * pixelCount * (isArithmetic ? 8 : 1) <= limit else {
            throw FormatError(
                file: file,
                reason: "expected at most \(limit / pixelCount / (isArithmetic ? 8 : 1)) scans of \(pixelCount) pixels "
                    + "in \(byteCount) bytes, found \(count)")
        }
    }
}
