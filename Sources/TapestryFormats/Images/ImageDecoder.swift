/// Decodes JPEG and PNG, told apart by their first bytes, to RGB.
public enum ImageDecoder {
    /// The most pixels decoded, the number at which Pillow speaks of a decompression bomb and refuses.
    public static let pixelLimit = 178_956_970

    /// Decodes the file at `path`.
    ///
    /// Throws: `InputNotFound`; `FormatError` if it is neither, is damaged or cut short, or has too many pixels.
    public static func read(_ path: String) throws -> PixelImage {
        try decode(try InputFile.read(path, limit: fileSizeLimit), file: path)
    }

    /// Decodes an image's bytes to RGB: grey is repeated, alpha dropped, 16 bits cut to their high 8. `file` names the
    /// bytes in errors.
    ///
    /// Throws: `FormatError`.
    public static func decode(_ bytes: [UInt8], file: String) throws -> PixelImage {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return try JPEGDecoder.decode(bytes, file: file) }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) { return try PNGDecoder.decode(bytes, file: file) }
        throw FormatError(file: file, offset: 0, reason: "expected a JPEG or PNG image, found \(name(of: bytes))")
    }

    /// Refuses extents whose pixels would not fit, before anything is allocated for them.
    static func checkSize(width: Int, height: Int, file: String) throws {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, count <= pixelLimit else {
            throw FormatError(file: file, reason: "expected at most \(pixelLimit) pixels, found \(width)x\(height)")
        }
    }

    private static let fileSizeLimit = 1 << 30

    private static func name(of bytes: [UInt8]) -> String {
        bytes.isEmpty
            ? "an empty file"
            : "bytes " + bytes.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}
