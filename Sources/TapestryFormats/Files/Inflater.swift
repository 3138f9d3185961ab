import Czlib

/// A stream of deflate's, decompressed step by step, each into a buffer that the caller bounds.
final class Inflater {
    /// What is around the compressed bytes and holds their checksum.
    enum Wrapper: Int32 {
        /// 15 is the largest window.
        case zlib = 15
        /// 16 asks zlib for the gzip wrapper.
        case gzip = 31
    }

    enum Outcome: Equatable {
        case more
        /// The stream is complete, and its checksum right.
        case end
        /// The compressed bytes are damaged, or were all used up before the stream's end.
        case failure(String)
    }

    struct Step {
        let consumed: Int
        let produced: Int
        let outcome: Outcome
    }

    private var stream = z_stream()

    init(_ wrapper: Wrapper, file: String) throws {
        let status = inflateInit2_(&stream, wrapper.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { throw FormatError(file: file, reason: "zlib cannot start") }
    }

    deinit { inflateEnd(&stream) }

    /// Decompresses from the start of `input` until that is used up, `output` is full or the stream ends.
    func step(from input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Step {
        let inputCount = min(input.count, Int(UInt32.max))
        let outputCount = min(output.count, Int(UInt32.max))
        stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        stream.avail_in = UInt32(inputCount)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(outputCount)
        let status = inflate(&stream, Z_NO_FLUSH)
        let outcome: Outcome =
            switch status {
            case Z_OK: .more
            case Z_STREAM_END: .end
            case Z_BUF_ERROR: .failure("the end of the compressed bytes")
            default: .failure("damage (zlib error \(status))")
            }
        return Step(
            consumed: inputCount - Int(stream.avail_in), produced: outputCount - Int(stream.avail_out),
            outcome: outcome)
    }
}
