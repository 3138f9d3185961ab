/// The bytes of one chunk from first to last, decompressed where they are compressed, in pieces of bounded size.
struct HDF5ChunkBytes {
    private let storage: HDF5Storage
    private var place: Int
    private var deflated: HDF5DeflatedBytes?

    private var buffer: [UInt8]
    private var unused: Range<Int> = 0..<0
    /// Bytes of the chunk that have not been in the buffer.
    private var left: Int

    /// `count` is that of the chunk's bytes, decompressed.
    init(_ entry: HDF5ChunkTree.Entry, of storage: HDF5Storage, count: Int) throws {
        self.storage = storage
        place = entry.address
        left = count
        deflated = entry.isDeflated ? try HDF5DeflatedBytes(at: entry.address, count: entry.count, of: storage) : nil
        buffer = [UInt8](repeating: 0, count: min(count, HDF5Dataset.pieceSize))
    }

    /// Steps over up to `limit` bytes, at least one: their range, to be used before the next call.
    mutating func next(_ limit: Int) throws -> Range<Int> {
        if unused.isEmpty { try refill() }
        let range = unused.prefix(limit)
        unused = range.upperBound..<unused.upperBound
        return range
    }

    func withBytes(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try buffer.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Checks that the compressed bytes end with the chunk.
    mutating func expectEnd() throws { try deflated?.expectEnd() }

    private mutating func refill() throws {
        let count = min(left, buffer.count)
        if deflated != nil {
            try deflated?.read(into: &buffer, count: count)
        } else {
            let (storage, place) = (storage, place)
            try buffer.withUnsafeMutableBytes { buffer in
                try storage.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(count)), at: place)
            }
            self.place += count
        }
        left -= count
        unused = 0..<count
    }
}

/// Decompresses a stretch of the file in pieces of bounded size.
private struct HDF5DeflatedBytes {
    private let storage: HDF5Storage
    private let address: Int
    private let inflater: Inflater

    /// Where the next compressed bytes are in the file, and how many are left there.
    private var place: Int
    private var left: Int
    private var input: [UInt8] = []
    private var used = 0
    private var isAtEnd = false

    init(at address: Int, count: Int, of storage: HDF5Storage) throws {
        self.storage = storage
        self.address = address
        place = address
        left = count
        inflater = try Inflater(.zlib, file: storage.path)
    }

    /// Throws: `FormatError` if the stream ends before it has given `count` bytes.
    mutating func read(into output: inout [UInt8], count: Int) throws {
        guard try inflate(into: &output, count: count) == count else {
            throw storage.error("expected more bytes of a compressed chunk, found its end", at: address)
        }
    }

    mutating func expectEnd() throws {
        var extra: [UInt8] = [0]
        guard try inflate(into: &extra, count: 1) == 0 else {
            throw storage.error("expected the end of a compressed chunk, found more bytes", at: address)
        }
        guard left == 0, used == input.count else {
            throw storage.error("expected the end of a compressed chunk, found bytes behind it", at: address)
        }
    }

    /// Decompresses `count` bytes, fewer at the stream's end.
    private mutating func inflate(into output: inout [UInt8], count: Int) throws -> Int {
        var done = 0
        while done < count && !isAtEnd {
            if used == input.count && left > 0 { try readInput() }
            let (inflater, used) = (inflater, used)
            let step = input.withUnsafeBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    inflater.step(
                        from: UnsafeBufferPointer(rebasing: input[used...]),
                        into: UnsafeMutableBufferPointer(rebasing: output[done..<count]))
                }
            }
            self.used += step.consumed
            done += step.produced
            isAtEnd = step.outcome == .end
            if case .failure(let found) = step.outcome {
                throw storage.error("expected a compressed chunk, found \(found)", at: address)
            }
        }
        return done
    }

    private mutating func readInput() throws {
        let count = min(left, HDF5Dataset.pieceSize)
        if input.count != count { input = [UInt8](repeating: 0, count: count) }
        let (storage, place) = (storage, place)
        try input.withUnsafeMutableBytes { try storage.read(into: $0, at: place) }
        self.place += count
        left -= count
        used = 0
    }
}
