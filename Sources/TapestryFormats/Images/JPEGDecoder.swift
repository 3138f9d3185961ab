import CTapestryImages

/// JPEG by libjpeg-turbo, with the accurate inverse transform and smooth upsampling, as Pillow decodes.
enum JPEGDecoder {
    /// Huffman codes give each block of 8x8 pixels at least one bit.
    private static let pixelsPerByte = 8 * 64

    /// Decodes at least the region that `choose` names of an image of such height and width. All of the file is read, and
    /// refused where it is damaged, whatever the region.
    ///
    /// Throws: `FormatError`, and what `choose` throws.
    static func decode(
        _ bytes: [UInt8], file: String, pixelLimit: Int, choose: (_ height: Int, _ width: Int) throws -> PixelRegion
    ) throws -> ImagePart {
        try bytes.withUnsafeBufferPointer { input in
            guard let jpeg = tapestry_jpeg_open(input.baseAddress, input.count) else {
                throw FormatError(file: file, reason: "libjpeg-turbo cannot start")
            }
            defer { tapestry_jpeg_close(jpeg) }
            func check(_ isWell: Bool) throws {
                guard !isWell else { return }
                let message = String(cString: tapestry_jpeg_message(jpeg))
                throw FormatError(file: file, reason: "expected a whole JPEG image, found: \(message)")
            }
            var (height, width, hasMoreScans) = (0, 0, false)
            try check(tapestry_jpeg_header(jpeg, &height, &width, &hasMoreScans))
            try ImageDecoder.checkSize(
                width: width, height: height, limit: pixelLimit, byteCount: bytes.count, pixelsPerByte: pixelsPerByte,
                file: file)
            if hasMoreScans {
                try JPEGScans(bytes).check(pixelCount: width * height, file: file)
            }
            var region = tapestry_region(try choose(height, width))
            try check(tapestry_jpeg_start(jpeg, &region))
            let count = region.height * region.width * 3
            let pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                try check(tapestry_jpeg_finish(jpeg, buffer.baseAddress))
                initialized = count
            }
            let image = PixelImage(height: region.height, width: region.width, channels: 3, pixels: pixels)
            return ImagePart(image, top: region.top, left: region.left)
        }
    }
}

extension tapestry_region {
    fileprivate init(_ region: PixelRegion) {
        self.init(
            top: region.rows.lowerBound, left: region.columns.lowerBound, height: region.rows.count,
            width: region.columns.count)
    }
}
