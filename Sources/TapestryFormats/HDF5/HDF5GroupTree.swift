/// The symbol tables of a group that is written, and the B-tree above them.
struct HDF5GroupTree {
    /// Of the names in the local heap, ascending as the names do.
    let nameOffsets: [Int]
    let capacities: HDF5Superblock.NodeCapacities
    /// Of the first symbol table node; the tree's nodes follow, leaves first.
    let address: Int

    /// The number of symbol table nodes.
    private let tableCount: Int
    /// The number of tree nodes on each level, from the leaves to the root.
    private let levels: [Int]

    init(nameOffsets: [Int], capacities: HDF5Superblock.NodeCapacities, address: Int) {
        self.nameOffsets = nameOffsets
        self.capacities = capacities
        self.address = address
        tableCount = Self.pieces(nameOffsets.count, of: capacities.symbols)
        var levels = [max(1, Self.pieces(tableCount, of: capacities.groupChildren))]
        while let count = levels.last, count > 1 { levels.append(Self.pieces(count, of: capacities.groupChildren)) }
        self.levels = levels
    }

    var byteCount: Int { tableCount * tableSize + levels.reduce(0, +) * nodeSize }

    var rootAddress: Int { address + byteCount - nodeSize }

    /// Nodes have the size of full ones, since libhdf5 reads and extends them in place.
    private var tableSize: Int { 8 + 40 * capacities.symbols }
    private var nodeSize: Int { 24 + 16 * capacities.groupChildren + 8 }

    private static func pieces(_ count: Int, of size: Int) -> Int { (count + size - 1) / size }

    /// Appends all nodes; `objects` are the addresses of the object headers, in the order of the names.
    func append(to bytes: inout HDF5Bytes, objects: [Int]) {
        for table in 0..<tableCount {
            let end = bytes.count + tableSize
            let symbols = table * capacities.symbols..<min((table + 1) * capacities.symbols, objects.count)
            bytes.append("SNOD".utf8)
            bytes.append([1, 0])
            bytes.append(symbols.count, width: 2)
            for symbol in symbols {
                bytes.append(nameOffsets[symbol], width: 8)
                bytes.append(objects[symbol], width: 8)
                bytes.appendZeros(24)
            }
            bytes.appendZeros(end - bytes.count)
        }
        var childCount = tableCount
        var childAddress = address
        var childSize = tableSize
        // The number of symbols below a full child.
        var span = capacities.symbols
        for (level, count) in levels.enumerated() {
            let start = bytes.count
            for node in 0..<count {
                let first = node * capacities.groupChildren
                let children = first..<min(first + capacities.groupChildren, childCount)
                let siblings = (
                    left: node > 0 ? start + (node - 1) * nodeSize : nil,
                    right: node < count - 1 ? start + (node + 1) * nodeSize : nil
                )
                append(to: &bytes, level: level, siblings, children.map { childAddress + $0 * childSize }) {
                    key(before: (first + $0) * span)
                }
            }
            (childCount, childAddress, childSize) = (count, start, nodeSize)
            span *= capacities.groupChildren
        }
    }

    /// The key between two children is the last name of the left one.
    private func key(before symbol: Int) -> Int {
        symbol == 0 ? 0 : nameOffsets[min(symbol, nameOffsets.count) - 1]
    }

    private func append(
        to bytes: inout HDF5Bytes, level: Int, _ siblings: (left: Int?, right: Int?), _ children: [Int],
        key: (Int) -> Int
    ) {
        let end = bytes.count + nodeSize
        bytes.append("TREE".utf8)
        bytes.append([0, UInt8(level)])
        bytes.append(children.count, width: 2)
        for sibling in [siblings.left, siblings.right] {
            if let sibling { bytes.append(sibling, width: 8) } else { bytes.appendNoAddress() }
        }
        for (index, child) in children.enumerated() {
            bytes.append(key(index), width: 8)
            bytes.append(child, width: 8)
        }
        bytes.append(key(children.count), width: 8)
        bytes.appendZeros(end - bytes.count)
    }
}
