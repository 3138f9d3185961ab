/// Decompresses gzip in pieces that the caller bounds, so that a small file cannot fill the memory.
package final class GzipReader {
    private let file: String
    private let compressed: [UInt8]
    private let inflater: Inflater
    private var consumed = 0
    private var produced = 0
    private var isAtEnd = false

    /// Whether the bytes begin as a gzip member does.
    package static func recognizes(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// The most bytes that `count` compressed ones can hold: deflate's ratio is at most 1032 to 1.
    package static func largestOutput(of count: Int) -> Int { count.multipliedReportingOverflow(by: 1032).partialValue }

    package init(file: String, compressed: [UInt8]) throws {
        self.file = file
        self.compressed = compressed
        inflater = try Inflater(.gzip, file: file)
    }

    /// The next `count` decompressed bytes, fewer at the stream's end.
    ///
    /// Throws: `FormatError` at the offset in the decompressed stream if the compressed bytes are damaged or cut short.
    package func read(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count && !isAtEnd {
                initialized += try inflate(into: UnsafeMutableBufferPointer(rebasing: buffer[initialized..<count]))
            }
        }
    }

    /// Checks that nothing follows what was read: neither decompressed bytes nor another member or rubbish behind it.
    package func expectEnd() throws {
        guard try read(1).isEmpty else {
            throw FormatError(
                file: file, offset: produced - 1, reason: "expected the end of the data, found more bytes")
        }
        guard consumed == compressed.count else {
            throw FormatError(
                file: file, offset: produced,
                reason: "expected the end of the file, found \(compressed.count - consumed) bytes after the gzip stream"
            )
        }
    }

    private func inflate(into output: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
        let step = compressed.withUnsafeBufferPointer { input in
            inflater.step(from: UnsafeBufferPointer(rebasing: input[consumed...]), into: output)
        }
        consumed += step.consumed
        produced += step.produced
        isAtEnd = step.outcome == .end
        if case .failure(let found) = step.outcome {
            throw FormatError(file: file, offset: produced, reason: "expected more gzip data, found \(found)")
        }
        return step.produced
    }
}
