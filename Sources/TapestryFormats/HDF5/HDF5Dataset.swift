import TapestryCore

/// What an object header says about a dataset: its shape, the type of its elements, and where they are.
///
/// Source: HDF5 File Format Specification, sections IV.A.2.b (dataspace), i (layout) and l (filters).
struct HDF5Dataset {
    enum Layout {
        /// In the object header itself.
        case compact(ByteReader)
        /// In one piece; nil if they were never written.
        case contiguous(Int?)
        /// In pieces of this shape, which a tree at this address lists.
        case chunked(HDF5Chunking)
    }

    /// Of the object header.
    let address: Int
    let shape: Shape
    let type: HDF5ElementType
    let layout: Layout

    /// The bytes of all elements in the file's type.
    let byteCount: Int

    /// Throws: `FormatError`, also for whatever is not read: filters but deflate, external files, other types …
    init(_ header: HDF5ObjectHeader, of storage: HDF5Storage) throws {
        address = header.address
        guard let space = try header.only(.dataspace), let typeMessage = try header.only(.datatype),
            var layout = try header.only(.layout)
        else {
            throw storage.error("expected a dataset with a shape, a type and a layout, found one without", at: address)
        }
        if let external = try header.only(.externalFiles) {
            throw external.error("expected values in this file, found them in external files", at: 0)
        }
        shape = try Self.shape(space)
        type = try HDF5ElementType(typeMessage)
        let (byteCount, overflow) = shape.count.multipliedReportingOverflow(by: type.byteCount)
        guard !overflow else { throw space.error("expected a shape that fits in memory, found \(shape)", at: 0) }
        self.byteCount = byteCount
        let filters = try header.only(.filters)
        self.layout = try Self.layout(&layout, shape, type, byteCount, filters)
    }

    private static func shape(_ message: ByteReader) throws -> Shape {
        var reader = message
        let version = try reader.byte(for: "a dataspace")
        let rank = try reader.integer(1, for: "a number of dimensions")
        let flags = try reader.byte(for: "a dataspace")
        let kind = try reader.byte(for: "a dataspace")
        switch version {
        case 1:
            _ = try reader.take(4, for: "a dataspace")
            guard flags <= 1 else { throw reader.error("expected dimensions in order, found permuted ones", at: 0) }
        case 2:
            guard kind <= 1 else { throw reader.error("expected a shape, found the empty dataspace", at: 0) }
        default: throw reader.error("expected a dataspace of version 1 or 2, found \(version)", at: 0)
        }
        guard rank <= HDF5Limits.rank else {
            throw reader.error("expected at most \(HDF5Limits.rank) dimensions, found \(rank)", at: 1)
        }
        let dimensions = try (0..<rank).map { _ in try reader.integer(8, for: "a dimension") }
        let shape = Shape(dimensions)
        guard shape.checkedCount != nil else {
            throw reader.error("expected a shape that fits in memory, found \(shape)", at: 0)
        }
        return shape
    }

    private static func layout(
        _ reader: inout ByteReader, _ shape: Shape, _ type: HDF5ElementType, _ byteCount: Int, _ filters: ByteReader?
    ) throws -> Layout {
        let version = try reader.byte(for: "a layout")
        guard (3...5).contains(version) else {
            throw reader.error("expected a layout of version 3 to 5, found \(version)", at: 0)
        }
        let layoutClass = try reader.byte(for: "a layout's class")
        if layoutClass == 2 {
            guard version == 3 else {
                throw reader.error(
                    "expected chunks in a tree of version 1, found a newer index (written with libver='latest')", at: 0)
            }
            return .chunked(
                try HDF5Chunking(&reader, shape: shape, elementSize: type.byteCount, isDeflated: isDeflated(filters)))
        }
        if let filters, try isDeflated(filters) {
            throw filters.error("expected no filters without chunks, found some", at: 0)
        }
        switch layoutClass {
        case 0:
            let size = try reader.integer(2, for: "the size of compact values")
            guard size == byteCount else {
                throw reader.error("expected \(byteCount) bytes of values, found \(size)", at: 0)
            }
            return .compact(try reader.part(size, for: "values"))
        case 1:
            let address = try reader.optionalAddress(of: "the values")
            let size = try reader.integer(8, for: "the size of the values")
            guard size == byteCount || address == nil else {
                throw reader.error("expected \(byteCount) bytes of values, found \(size)", at: 0)
            }
            return .contiguous(address)
        case 3: throw reader.error("expected values in this file, found a virtual dataset", at: 0)
        default: throw reader.error("expected a layout of class 0 to 2, found \(layoutClass)", at: 0)
        }
    }

    /// Whether the filters, if any, are deflate alone.
    private static func isDeflated(_ message: ByteReader?) throws -> Bool {
        guard var reader = message else { return false }
        let version = try reader.byte(for: "filters")
        guard version == 1 || version == 2 else {
            throw reader.error("expected filters of version 1 or 2, found \(version)", at: 0)
        }
        let count = try reader.byte(for: "the number of filters")
        if version == 1 { _ = try reader.take(6, for: "filters") }
        guard count > 0 else { return false }
        let number = try reader.integer(2, for: "a filter")
        guard count == 1, number == 1 else {
            let names = [2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"]
            let found = number == 1 ? "\(count) filters" : names[number] ?? "filter \(number)"
            throw reader.error("expected no filter or deflate (gzip) alone, found \(found)", at: 0)
        }
        return true
    }
}
