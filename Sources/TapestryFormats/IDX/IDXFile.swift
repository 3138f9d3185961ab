/// An array of unsigned bytes in the IDX format of MNIST, gzipped or not.
///
/// The file is a magic number (two zero bytes, the type 0x08, the rank), each dimension as a big-endian 32-bit integer,
/// then the bytes, last dimension fastest. Source: Y. LeCun, "The MNIST database of handwritten digits".
public struct IDXFile: Equatable, Sendable {
    public let dimensions: [Int]
    public let bytes: [UInt8]

    /// Reads the file at `path`, whose array must have `rank` dimensions.
    ///
    /// Throws: `InputNotFound`; `FormatError` where the magic number, the length or the gzip stream is not as expected.
    public static func read(_ path: String, rank: Int) throws -> IDXFile {
        let bytes = try InputFile.read(path, limit: sizeLimit)
        return try parse(bytes, file: path, rank: rank)
    }

    /// Parses a file's bytes; `file` names it in errors.
    ///
    /// Throws: as `read(_:rank:)`.
    public static func parse(_ bytes: [UInt8], file: String, rank: Int) throws -> IDXFile {
        let headerCount = 4 + 4 * rank
        guard GzipReader.recognizes(bytes) else {
            let dimensions = try header(bytes, file: file, rank: rank, available: bytes.count - headerCount)
            let expected = headerCount + dimensions.reduce(1, *)
            guard bytes.count == expected else {
                throw FormatError(
                    file: file, offset: expected,
                    reason: "expected the end of the file, found \(bytes.count - expected) more bytes")
            }
            return IDXFile(dimensions: dimensions, bytes: Array(bytes[headerCount...]))
        }
        let reader = try GzipReader(file: file, compressed: bytes)
        let available = min(GzipReader.largestOutput(of: bytes.count), sizeLimit)
        let dimensions = try header(try reader.read(headerCount), file: file, rank: rank, available: available)
        let count = dimensions.reduce(1, *)
        let content = try reader.read(count)
        guard content.count == count else {
            throw FormatError(
                file: file, offset: headerCount + content.count,
                reason: "expected \(count) bytes of data, found \(content.count)")
        }
        try reader.expectEnd()
        return IDXFile(dimensions: dimensions, bytes: content)
    }

    /// Of a file, and of what it holds where it is gzipped.
    private static let sizeLimit = 1 << 31

    /// The dimensions, once their product is known to fit in the `available` bytes.
    private static func header(_ bytes: [UInt8], file: String, rank: Int, available: Int) throws -> [Int] {
        guard bytes.count >= 4 + 4 * rank else {
            throw FormatError(
                file: file, offset: bytes.count,
                reason: "expected a header of \(4 + 4 * rank) bytes, found \(bytes.count)")
        }
        func integer(_ index: Int) -> Int { bytes[index * 4..<index * 4 + 4].reduce(0) { $0 << 8 | Int($1) } }
        guard integer(0) == 0x0800 | rank else {
            throw FormatError(
                file: file, offset: 0,
                reason: "expected magic number \(hexadecimal(0x0800 | rank)), found \(hexadecimal(integer(0)))")
        }
        let dimensions = (1...rank).map(integer)
        var count = 1
        for dimension in dimensions {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= available else {
                let shape = dimensions.map(String.init).joined(separator: "x")
                throw FormatError(
                    file: file, offset: 4,
                    reason: "expected \(shape) bytes of data as the header says, found a file too small for them")
            }
            count = product
        }
        return dimensions
    }

    private static func hexadecimal(_ value: Int) -> String {
        let digits = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }
}
