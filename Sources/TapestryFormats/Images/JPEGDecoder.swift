import CTurboJPEG

/// JPEG by libjpeg-turbo, with the accurate inverse transform and smooth upsampling, as Pillow decodes.
enum JPEGDecoder {
    /// Huffman codes give each block of 8x8 pixels at least one bit.
    private static let pixelsPerByte = 8 * 64

    /// Throws: `FormatError`.
    static func decode(_ bytes: [UInt8], file: String, pixelLimit: Int) throws -> PixelImage {
        guard let handle = tjInitDecompress() else {
            throw FormatError(file: file, reason: "libjpeg-turbo cannot start")
        }
        defer { tjDestroy(handle) }
        var (width, height, subsampling, colorspace) = (Int32(0), Int32(0), Int32(0), Int32(0))
        guard
            tjDecompressHeader3(handle, bytes, UInt(bytes.count), &width, &height, &subsampling, &colorspace) == 0
        else { throw error(handle, file: file) }
        guard colorspace != TJCS_CMYK.rawValue, colorspace != TJCS_YCCK.rawValue else {
            throw FormatError(file: file, reason: "expected a grey or colour JPEG, found CMYK; convert it to RGB first")
        }
        try ImageDecoder.checkSize(
            width: Int(width), height: Int(height), limit: pixelLimit, byteCount: bytes.count,
            pixelsPerByte: pixelsPerByte, file: file)
        try JPEGScans(bytes).check(pixelCount: Int(width) * Int(height), file: file)
        let count = Int(width) * Int(height) * 3
        let pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // Of more than 500 scans libjpeg-turbo makes an error; how long fewer may take is bounded above.
            let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
            let status = tjDecompress2(
                handle, bytes, UInt(bytes.count), buffer.baseAddress, width, 0, height, Int32(TJPF_RGB.rawValue), flags)
            if status != 0 && !isHarmless(handle) { throw error(handle, file: file) }
            initialized = count
        }
        return PixelImage(height: Int(height), width: Int(width), channels: 3, pixels: pixels)
    }

    /// Published data sets have images with stray bytes between markers, which every decoder steps over; a file that
    /// ends early is another matter.
    private static func isHarmless(_ handle: tjhandle) -> Bool {
        tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue) && message(handle).contains("extraneous bytes")
    }

    private static func message(_ handle: tjhandle) -> String {
        tjGetErrorStr2(handle).map { String(cString: $0) } ?? "unknown error"
    }

    private static func error(_ handle: tjhandle, file: String) -> FormatError {
        FormatError(file: file, reason: "expected a whole JPEG image, found: \(message(handle))")
    }
}
