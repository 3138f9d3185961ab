import TapestryCore

/// Which elements of a storage are a tensor's: element (i, j, …) is number `offset` + i * `strides[0]` + j * `strides[1]` ….
package struct StridedLayout: Hashable {
    package let shape: Shape
    package let strides: [Int]
    package let offset: Int

    /// The most dimensions that a tensor of PyTorch has.
    package static let largestRank = 64

    /// All elements of a storage that holds nothing else, row-major.
    package init(rowMajor shape: Shape) {
        self.shape = shape
        strides = Self.rowMajorStrides(shape.dimensions)
        offset = 0
    }

    /// A layout from a file, checked: whatever it is, its elements lie in a storage of `count`, and no two of them are one
    /// (save along a stride of zero, which repeats).
    ///
    /// Throws: what `failure` makes of the reason.
    package init(
        sizes: [Int], strides: [Int], offset: Int, within count: Int, failure: (String) -> FormatError
    ) throws {
        guard sizes.count == strides.count else {
            throw failure("expected a stride for each of \(sizes.count) dimensions, found \(strides.count)")
        }
        guard offset >= 0, (sizes + strides).allSatisfy({ $0 >= 0 }) else {
            throw failure("expected no negative number, found sizes \(sizes), strides \(strides), offset \(offset)")
        }
        guard Shape(sizes).checkedCount != nil else {
            throw failure("expected a shape that fits in memory, found \(sizes)")
        }
        shape = Shape(sizes)
        if sizes.contains(0) {
            // Of no element there is no number that could be wrong.
            self.strides = sizes.map { _ in 0 }
            self.offset = 0
            return
        }
        guard let last = Self.lastElement(sizes: sizes, strides: strides, offset: offset), last < count else {
            throw failure(
                "expected elements within a storage of \(count), found sizes \(sizes), strides \(strides), "
                    + "offset \(offset)")
        }
        guard Self.isInjective(sizes: sizes, strides: strides) else {
            throw failure("expected elements apart from each other, found sizes \(sizes), strides \(strides)")
        }
        self.strides = strides
        self.offset = offset
    }

    private init(shape: Shape, strides: [Int], offset: Int) {
        self.shape = shape
        self.strides = strides
        self.offset = offset
    }

    /// The same elements of a storage that begins with `count` others. Precondition: the numbers stay in `Int`.
    package func moved(by count: Int) -> StridedLayout {
        StridedLayout(shape: shape, strides: strides, offset: offset + count)
    }

    /// Whether the elements follow each other as in memory.
    package var isRowMajor: Bool {
        let rowMajor = Self.rowMajorStrides(shape.dimensions)
        return shape.dimensions.contains(0)
            || shape.dimensions.indices.allSatisfy { shape[$0] == 1 || strides[$0] == rowMajor[$0] }
    }

    /// The numbers from the first element's to the last one's, among which the tensor's lie.
    package var span: Range<Int> {
        if shape.dimensions.contains(0) { return offset..<offset }
        return offset..<zip(shape.dimensions, strides).reduce(offset + 1) { $0 + ($1.0 - 1) * $1.1 }
    }

    /// Calls `body` for each element, by its number in the storage and its place in memory, in the order of the storage.
    package func forEachElement(_ body: (_ number: Int, _ place: Int) throws -> Void) rethrows {
        guard !shape.dimensions.contains(0) else { return }
        let places = Self.rowMajorStrides(shape.dimensions)
        // Wide strides outside, so that the numbers grow; zero strides come last, where they repeat a number.
        let axes = shape.dimensions.indices.filter { shape[$0] > 1 }.sorted { strides[$0] > strides[$1] }
        var index = [Int](repeating: 0, count: axes.count)
        var (number, place) = (offset, 0)
        while true {
            try body(number, place)
            var level = axes.count - 1
            while level >= 0 {
                let axis = axes[level]
                index[level] += 1
                number += strides[axis]
                place += places[axis]
                if index[level] < shape[axis] { break }
                number -= shape[axis] * strides[axis]
                place -= shape[axis] * places[axis]
                index[level] = 0
                level -= 1
            }
            if level < 0 { return }
        }
    }

    /// Wrapping where sizes of an empty tensor overflow: its strides mean nothing.
    private static func rowMajorStrides(_ sizes: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: sizes.count)
        for axis in sizes.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] &* sizes[axis + 1] }
        return strides
    }

    private static func lastElement(sizes: [Int], strides: [Int], offset: Int) -> Int? {
        var last = offset
        for (size, stride) in zip(sizes, strides) {
            let (span, tooWide) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, tooFar) = last.addingReportingOverflow(span)
            if tooWide || tooFar { return nil }
            last = sum
        }
        return last
    }

    /// Whether each stride steps over all that the narrower ones reach. Precondition: the last element's number fits.
    private static func isInjective(sizes: [Int], strides: [Int]) -> Bool {
        var reach = 0
        for axis in sizes.indices.filter({ sizes[$0] > 1 && strides[$0] > 0 }).sorted(by: { strides[$0] < strides[$1] })
        {
            guard strides[axis] > reach else { return false }
            reach += (sizes[axis] - 1) * strides[axis]
        }
        return true
    }
}
