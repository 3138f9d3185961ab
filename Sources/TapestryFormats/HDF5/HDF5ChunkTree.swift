/// A walk through the tree that lists a dataset's chunks, in the order of their places.
struct HDF5ChunkTree {
    struct Entry {
        let address: Int
        /// Bytes in the file.
        let count: Int
        let isDeflated: Bool
        /// The index of the chunk's first element along each dimension.
        let origin: [Int]
    }

    let chunking: HDF5Chunking
    let storage: HDF5Storage

    /// Chunks seen so far.
    private(set) var count = 0
    private var previous: [Int] = []
    private var nodes: Set<Int> = []

    init(chunking: HDF5Chunking, storage: HDF5Storage) {
        self.chunking = chunking
        self.storage = storage
    }

    /// Calls `body` with each chunk below the node; that they ascend makes each one's place its own.
    mutating func visit(_ address: Int, parentLevel: Int?, _ body: (Entry) throws -> Void) throws {
        try storage.chargeNode(at: address)
        guard nodes.insert(address).inserted else {
            throw storage.error("expected each node of a tree once, found one again", at: address)
        }
        let keySize = 8 * (chunking.dimensions.count + 2)
        var node = try HDF5TreeNode(
            at: address, of: storage, kind: 1, keySize: keySize, capacity: storage.capacities.chunks,
            parentLevel: parentLevel)
        for _ in 0..<node.count {
            let key = try node.entries.part(keySize, for: "a chunk's key")
            let child = try node.entries.address(of: "a chunk")
            if node.level > 0 {
                try visit(child, parentLevel: node.level, body)
            } else {
                try body(try entry(key, at: child))
                count += 1
            }
        }
    }

    private mutating func entry(_ key: ByteReader, at address: Int) throws -> Entry {
        var key = key
        let size = try key.integer(4, for: "a chunk's size")
        let mask = try key.integer(4, for: "a chunk's filters")
        let origin = try chunking.dimensions.map { _ in try key.integer(8, for: "a chunk's place") }
        let inElement = try key.integer(8, for: "a chunk's place")
        let isInGrid = zip(origin, zip(chunking.dimensions, chunking.chunk)).allSatisfy { place, extents in
            place < extents.0 && place % extents.1 == 0
        }
        guard isInGrid, inElement == 0 else {
            throw key.error("expected a chunk's place in the grid of the dataset's chunks, found \(origin)", at: 8)
        }
        guard previous.isEmpty || previous.lexicographicallyPrecedes(origin) else {
            throw key.error("expected chunks in ascending order, found \(origin) after \(previous)", at: 8)
        }
        previous = origin
        // A bit of the mask is set where the writer left the filter out for this chunk.
        guard mask == 0 || mask == 1 && chunking.isDeflated else {
            throw key.error("expected a chunk's filters to be among the dataset's, found mask \(mask)", at: 4)
        }
        let isDeflated = chunking.isDeflated && mask == 0
        // Deflate's ratio is at most 1032 to 1.
        guard isDeflated ? chunking.chunkBytes / 1032 <= size : chunking.chunkBytes == size else {
            throw key.error("expected the \(chunking.chunkBytes) bytes of a chunk, found \(size)", at: 0)
        }
        try storage.expect(size, at: address, for: "a chunk")
        return Entry(address: address, count: size, isDeflated: isDeflated, origin: origin)
    }
}
