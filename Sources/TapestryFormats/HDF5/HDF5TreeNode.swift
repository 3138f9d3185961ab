/// A node of a B-tree of version 1: children, each between two keys.
///
/// Source: HDF5 File Format Specification, section III.A.1.
struct HDF5TreeNode {
    /// 0 for a leaf.
    let level: Int
    /// Of children.
    let count: Int
    /// Stands before the first key; `count` pairs of a key and a child follow, and one more key.
    var entries: ByteReader

    /// Throws: `FormatError`, also if the level is not the one below `parentLevel`, nil for a root.
    init(
        at address: Int, of storage: HDF5Storage, kind: UInt8, keySize: Int, capacity: Int, parentLevel: Int?
    ) throws {
        var prefix = try storage.reader(at: address, count: 24, for: "a tree's node")
        try prefix.expectSignature("TREE", of: "a tree's node")
        try prefix.expectByte(kind, as: "a tree of kind")
        level = try prefix.integer(1, for: "a node's level")
        if let parentLevel, level != parentLevel - 1 {
            throw prefix.error("expected a node of level \(parentLevel - 1), found \(level)", at: 5)
        }
        guard level <= HDF5Limits.treeLevel else {
            throw prefix.error("expected a tree of at most \(HDF5Limits.treeLevel) levels, found \(level)", at: 5)
        }
        count = try prefix.integer(2, for: "the number of a node's children")
        let size = count * (keySize + 8) + keySize
        guard count <= capacity, size <= HDF5Limits.nodeBytes else {
            throw prefix.error("expected at most \(capacity) children of a node, found \(count)", at: 6)
        }
        entries = try storage.reader(at: address + 24, count: size, for: "a node's children")
    }
}
