import Cspng

/// PNG by libspng.
enum PNGDecoder {
    /// No colour profile or comment of a sane image comes near it.
    private static let chunkLimit = 64 << 20

    /// Throws: `FormatError`.
    static func decode(_ bytes: [UInt8], file: String, pixelLimit: Int) throws -> PixelImage {
        try checkChunks(bytes, file: file)
        guard let context = spng_ctx_new(0) else { throw FormatError(file: file, reason: "libspng cannot start") }
        defer { spng_ctx_free(context) }
        func check(_ status: Int32) throws {
            guard status == 0 else {
                let message = spng_strerror(status).map { String(cString: $0) } ?? "error \(status)"
                throw FormatError(file: file, reason: "expected a whole PNG image, found: \(message)")
            }
        }
        return try bytes.withUnsafeBufferPointer { input in
            try check(spng_set_png_buffer(context, input.baseAddress, input.count))
            try check(spng_set_chunk_limits(context, chunkLimit, chunkLimit))
            var header = spng_ihdr()
            try check(spng_get_ihdr(context, &header))
            let (width, height) = (Int(header.width), Int(header.height))
            let pixelBits = Int(header.bit_depth) * samples(of: header)
            try ImageDecoder.checkSize(
                width: width, height: height, limit: pixelLimit, byteCount: bytes.count,
                pixelsPerByte: 8 * GzipReader.largestOutput(of: 1) / pixelBits, file: file)
            let format = Int32(SPNG_FMT_RGB8.rawValue)
            var count = 0
            try check(spng_decoded_image_size(context, format, &count))
            guard count == width * height * 3 else {
                throw FormatError(file: file, reason: "expected \(width * height * 3) bytes of RGB, found \(count)")
            }
            let pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                try check(spng_decode_image(context, buffer.baseAddress, count, format, 0))
                initialized = count
            }
            return PixelImage(height: height, width: width, channels: 3, pixels: pixels)
        }
    }

    private static func samples(of header: spng_ihdr) -> Int {
        switch UInt32(header.color_type) {
        case SPNG_COLOR_TYPE_TRUECOLOR.rawValue: 3
        case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA.rawValue: 2
        case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA.rawValue: 4
        default: 1
        }
    }

    /// Follows the chunks' lengths to the end marker: libspng decodes a file that is cut short behind its pixels.
    private static func checkChunks(_ bytes: [UInt8], file: String) throws {
        var reader = ByteReader(file: file, bytes: bytes)
        _ = try reader.take(8, for: "PNG signature")
        while true {
            let length = bytes[try reader.take(4, for: "chunk length")].reduce(0) { $0 << 8 | Int($1) }
            let name = bytes[try reader.take(4, for: "chunk name")]
            _ = try reader.take(length + 4, for: "chunk and its checksum")
            if name.elementsEqual("IEND".utf8) { return }
        }
    }
}
