import TapestryCore

/// Values in pieces of one shape, listed by a B-tree of version 1.
///
/// Source: HDF5 File Format Specification, section III.A.1 (nodes of type 1) and IV.A.2.i (the layout message).
struct HDF5Chunking {
    let dimensions: [Int]
    /// The shape of each chunk; those at the edges reach beyond the dataset.
    let chunk: [Int]
    let elementSize: Int
    let isDeflated: Bool
    /// The tree's root; nil if no chunk was ever written.
    let root: Int?
    let address: Int
    /// Of one chunk, decompressed.
    let chunkBytes: Int
    let chunkCount: Int

    /// Parses the layout message from the byte after the class on.
    init(_ reader: inout ByteReader, shape: Shape, elementSize: Int, isDeflated: Bool) throws {
        address = reader.place(of: 0)
        dimensions = shape.dimensions
        self.elementSize = elementSize
        self.isDeflated = isDeflated
        let rank = try reader.integer(1, for: "the number of a chunk's dimensions")
        guard rank == dimensions.count + 1, rank > 1 else {
            throw reader.error(
                "expected chunks of \(dimensions.count) dimensions and the element's size, found \(rank)", at: 0)
        }
        root = try reader.optionalAddress(of: "the tree of chunks")
        var chunk = try dimensions.map { _ in try reader.integer(4, for: "a chunk's dimension") }
        chunk.append(try reader.integer(4, for: "an element's size"))
        guard chunk.allSatisfy({ $0 > 0 }), chunk.last == elementSize, let bytes = Shape(chunk).checkedCount else {
            throw reader.error("expected chunks with elements of \(elementSize) bytes, found \(chunk)", at: 0)
        }
        self.chunk = chunk.dropLast()
        chunkBytes = bytes
        let grid = zip(dimensions, chunk).map { $0 / $1 + ($0 % $1 == 0 ? 0 : 1) }
        guard let count = Shape(grid).checkedCount else {
            throw reader.error("expected a number of chunks that fits in memory, found \(grid)", at: 0)
        }
        chunkCount = count
    }

    /// Gives the bytes of all elements, each once: every run with the index of its first element in row-major order.
    ///
    /// Throws: `FormatError`, also if a chunk is missing.
    func forEachRun(of storage: HDF5Storage, _ body: (UnsafeRawBufferPointer, Int) throws -> Void) throws {
        guard !dimensions.contains(0) else { return }
        guard let root else {
            throw storage.error("expected values, found a dataset that none were ever written to", at: address)
        }
        var walk = HDF5ChunkTree(chunking: self, storage: storage)
        try walk.visit(root, parentLevel: nil) { entry in try self.decode(entry, of: storage, body) }
        guard walk.count == chunkCount else {
            throw storage.error("expected \(chunkCount) chunks, found \(walk.count)", at: root)
        }
    }

    /// Gives the part of a chunk that is in the dataset, row by row.
    private func decode(
        _ entry: HDF5ChunkTree.Entry, of storage: HDF5Storage, _ body: (UnsafeRawBufferPointer, Int) throws -> Void
    ) throws {
        try storage.chargeChunk(chunkBytes, at: entry.address)
        var bytes = try HDF5ChunkBytes(entry, of: storage, count: chunkBytes)
        // Elements of a row follow each other in the chunk and in the dataset.
        let inner = dimensions[(rowAxis + 1)...].reduce(1, *)
        let rowCount = chunk[rowAxis] * inner
        let usedCount = min(chunk[rowAxis], dimensions[rowAxis] - entry.origin[rowAxis]) * inner
        var position = entry.origin
        for _ in 0..<chunkBytes / (rowCount * elementSize) {
            let isInside = zip(position, dimensions).allSatisfy { $0 < $1 }
            let first = isInside ? zip(position, dimensions).reduce(0) { $0 * $1.1 + $1.0 } : 0
            var done = 0
            while done < rowCount {
                let run = try bytes.next((rowCount - done) * elementSize)
                let count = min(run.count / elementSize, usedCount - done)
                if isInside && count > 0 {
                    try bytes.withBytes(run.prefix(count * elementSize)) { try body($0, first + done) }
                }
                done += run.count / elementSize
            }
            advance(&position, from: entry.origin)
        }
        try bytes.expectEnd()
    }

    /// Steps to the chunk's next row.
    private func advance(_ position: inout [Int], from origin: [Int]) {
        for axis in stride(from: rowAxis - 1, through: 0, by: -1) {
            position[axis] += 1
            if position[axis] < origin[axis] + chunk[axis] { return }
            position[axis] = origin[axis]
        }
    }

    /// The outermost axis behind which chunks are as wide as the dataset.
    private var rowAxis: Int {
        var axis = dimensions.count - 1
        while axis > 0 && chunk[axis] == dimensions[axis] { axis -= 1 }
        return axis
    }
}
