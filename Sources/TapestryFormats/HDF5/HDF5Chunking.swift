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
        var rows = HDF5ChunkRows(dimensions, chunk, origin: entry.origin, upTo: rowAxis)
        for _ in 0..<chunkBytes / (rowCount * elementSize) {
            var done = 0
            while done < rowCount {
                let run = try bytes.next((rowCount - done) * elementSize)
                let count = min(run.count / elementSize, usedCount - done)
                if rows.isInside && count > 0 {
                    try bytes.withBytes(run.prefix(count * elementSize)) { try body($0, rows.first + done) }
                }
                done += run.count / elementSize
            }
            rows.advance()
        }
        try bytes.expectEnd()
    }

    /// The outermost axis behind which chunks are as wide as the dataset.
    private var rowAxis: Int {
        var axis = dimensions.count - 1
        while axis > 0 && chunk[axis] == dimensions[axis] { axis -= 1 }
        return axis
    }
}

/// The rows of a chunk, one after the other. A chunk may have as many as elements, in 32 dimensions: so a step touches
/// only the axes that it moves along.
private struct HDF5ChunkRows {
    private struct Axis {
        let extent: Int
        /// How many of them are within the dataset.
        let inside: Int
        /// From one to the next, in elements of the dataset.
        let stride: Int
        var index = 0
    }

    /// Those of more than one row, the outermost first.
    private var axes: [Axis] = []
    private var outsideCount = 0
    /// The index in the dataset of the row's first element, if it is inside.
    private(set) var first = 0

    init(_ dimensions: [Int], _ chunk: [Int], origin: [Int], upTo rowAxis: Int) {
        var stride = 1
        for axis in dimensions.indices.reversed() {
            first += origin[axis] * stride
            if axis < rowAxis && chunk[axis] > 1 {
                let inside = min(chunk[axis], dimensions[axis] - origin[axis])
                axes.append(Axis(extent: chunk[axis], inside: inside, stride: stride))
            }
            stride *= dimensions[axis]
        }
        axes.reverse()
    }

    var isInside: Bool { outsideCount == 0 }

    /// Steps to the next row. Outside, indices may not fit in an integer: they wrap, and are whole again inside.
    mutating func advance() {
        for level in axes.indices.reversed() {
            axes[level].index += 1
            first &+= axes[level].stride
            if axes[level].index == axes[level].inside { outsideCount += 1 }
            if axes[level].index < axes[level].extent { return }
            first &-= axes[level].extent &* axes[level].stride
            axes[level].index = 0
            outsideCount -= 1
        }
    }
}
