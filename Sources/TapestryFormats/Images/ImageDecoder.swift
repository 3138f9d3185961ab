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

    /// Decodes of the file at `path` what `choose` names once the image's height and width are known, a region of it that
    /// is not empty, and perhaps more around it. Pixels are those of the whole image, and so are errors: damage outside
    /// the region is found, too.
    ///
    /// Throws: as `read(_:)`, and what `choose` throws.
    public static func readPart(
        of path: String, _ choose: (_ height: Int, _ width: Int) throws -> PixelRegion
    ) throws -> ImagePart {
        try decodePart(of: try InputFile.read(path, limit: fileSizeLimit), file: path, choose)
    }

    /// Decodes an image's bytes to RGB: grey is repeated, alpha dropped, 16 bits cut to their high 8, four inks mixed as
    /// Pillow mixes them. `file` names the bytes in errors.
    ///
    /// A pixel takes 3 bytes, and up to 8 more while a progressive JPEG is decoded.
    /// Throws: `FormatError`, as well for more than `pixelLimit` pixels.
    public static func decode(
        _ bytes: [UInt8], file: String, pixelLimit: Int = ImageDecoder.pixelLimit
    ) throws -> PixelImage {
        try decodePart(of: bytes, file: file, pixelLimit: pixelLimit) { height, width in
            PixelRegion(rows: 0..<height, columns: 0..<width)
        }.image
    }

    /// As `readPart(of:_:)`, of an image's bytes.
    public static func decodePart(
        of bytes: [UInt8], file: String, pixelLimit: Int = ImageDecoder.pixelLimit,
        _ choose: (_ height: Int, _ width: Int) throws -> PixelRegion
    ) throws -> ImagePart {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            return try JPEGDecoder.decode(bytes, file: file, pixelLimit: pixelLimit, choose: choose)
        }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
            let image = try PNGDecoder.decode(bytes, file: file, pixelLimit: pixelLimit)
            _ = try choose(image.height, image.width)
            return ImagePart(image)
        }
        throw FormatError(file: file, offset: 0, reason: "expected a JPEG or PNG image, found \(name(of: bytes))")
    }

    /// Refuses extents whose pixels would not fit, before anything is allocated for them: more than `limit`, or more than
    /// the file's `byteCount` bytes can hold, of which each holds at most `pixelsPerByte`.
    static func checkSize(
        width: Int, height: Int, limit: Int, byteCount: Int, pixelsPerByte: Int, file: String
    ) throws {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, count <= limit else {
            throw FormatError(file: file, reason: "expected at most \(limit) pixels, found \(width)x\(height)")
        }
        guard count / pixelsPerByte <= byteCount else {
            throw FormatError(
                file: file,
                reason: "expected at least \(count / pixelsPerByte) bytes for \(width)x\(height) pixels, "
                    + "found \(byteCount)")
        }
    }

    private static let fileSizeLimit = 1 << 30

    /// What bytes that are neither are, as far as their first ones tell.
    private static func name(of bytes: [UInt8]) -> String {
        if bytes.isEmpty { return "an empty file" }
        for (name, offset, mark) in otherFormats where bytes.dropFirst(offset).starts(with: mark.utf8) {
            return "\(name) image; convert it to PNG first"
        }
        return "bytes " + bytes.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }

    /// Common formats that are not read, by what stands in them where.
    private static let otherFormats = [
        ("a GIF", 0, "GIF8"), ("a WebP", 8, "WEBP"), ("a BMP", 0, "BM"), ("a TIFF", 0, "II*\u{0}"),
        ("a TIFF", 0, "MM\u{0}*"), ("an AVIF", 4, "ftypavif"), ("a HEIC", 4, "ftyphei"),
    ]
}
