import CTapestryKernels
import Glibc

/// Memory that lives as long as its plan or context, in whole cache lines, zeros at first.
final class AlignedFloats: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int

    /// Traps where the system has no memory left, as Swift's own allocations do.
    init(count: Int) {
        self.count = count
        let size = max(64, (count * MemoryLayout<Float>.size + 63) / 64 * 64)
        // Large pieces in large pages: a processor remembers where few pages are.
        let page = 1 << 21
        let isLarge = size >= page
        let whole = isLarge ? (size + page - 1) / page * page : size
        guard let memory = aligned_alloc(isLarge ? page : 64, whole) else { fatalError("no memory for \(size) bytes") }
        if isLarge { madvise(memory, whole, MADV_HUGEPAGE) }
        memset(memory, 0, size)
        pointer = memory.bindMemory(to: Float.self, capacity: size / MemoryLayout<Float>.size)
    }

    deinit { free(pointer) }

    var bytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }
}

/// A fixed number of a kernel's arguments.
private final class Constants<Element>: @unchecked Sendable {
    private let elements: UnsafeMutableBufferPointer<Element>

    init(_ source: [Element]) {
        elements = .allocate(capacity: source.count)
        _ = elements.initialize(from: source)
    }

    deinit { elements.deallocate() }

    func pointer(at place: Int) -> UnsafePointer<Element>? { UnsafePointer(elements.baseAddress).map { $0 + place } }
}

/// A plan's constants: weights, biases and what kernels read of their layers. Collected first, then laid down at once;
/// nothing changes afterwards.
final class PlanStorage: Sendable {
    private let floats: AlignedFloats
    private let taps: Constants<tk_tap>
    private let blocks: Constants<tk_block>
    private let sources: Constants<tk_source>
    private let copies: Constants<tk_copy>
    private let terms: Constants<tk_terms>
    private let integers: Constants<Int32>

    /// What a plan's layers need, by growing arrays; places are indices into them.
    struct Collection {
        var floats: [Float] = []
        var taps: [tk_tap] = []
        var blocks: [tk_block] = []
        var sources: [tk_source] = []
        var copies: [tk_copy] = []
        var terms: [tk_terms] = []
        var integers: [Int32] = []

        /// Appends at the start of a cache line, with room behind for whole vectors to be read.
        mutating func append(_ values: [Float], paddedTo count: Int = 0) -> Int {
            let place = floats.count
            floats += values
            let end = (place + max(values.count, count) + 32 + 15) / 16 * 16
            floats += repeatElement(0, count: end - floats.count)
            return place
        }

        /// Appends where an output channel comes from; to the last source where that goes on so.
        mutating func append(_ source: tk_source, isFirst: Bool) {
            let next = sources.last.map { last in
                (last.channel < 0 ? last.channel : last.channel + last.count, last.row, last.column)
            }
            if !isFirst, let next, next == (source.channel, source.row, source.column) {
                sources[sources.count - 1].count += 1
            } else {
                sources.append(source)
            }
        }
    }

    init(_ collection: consuming Collection) {
        let floats = AlignedFloats(count: collection.floats.count)
        collection.floats.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { floats.pointer.update(from: base, count: source.count) }
        }
        self.floats = floats
        taps = Constants(collection.taps)
        blocks = Constants(collection.blocks)
        sources = Constants(collection.sources)
        copies = Constants(collection.copies)
        terms = Constants(collection.terms)
        integers = Constants(collection.integers)
        weightBytes =
            floats.count * MemoryLayout<Float>.size + collection.terms.count * MemoryLayout<tk_terms>.size
    }

    /// Bytes of weights and biases.
    let weightBytes: Int

    func floats(at place: Int) -> UnsafePointer<Float> { UnsafePointer(floats.pointer + place) }

    func taps(at place: Int) -> UnsafePointer<tk_tap>? { taps.pointer(at: place) }

    func blocks(at place: Int) -> UnsafePointer<tk_block>? { blocks.pointer(at: place) }

    func sources(at place: Int) -> UnsafePointer<tk_source>? { sources.pointer(at: place) }

    func copies(at place: Int) -> UnsafePointer<tk_copy>? { copies.pointer(at: place) }

    func terms(at place: Int) -> UnsafePointer<tk_terms>? { terms.pointer(at: place) }

    func integers(at place: Int) -> UnsafePointer<Int32>? { integers.pointer(at: place) }
}
