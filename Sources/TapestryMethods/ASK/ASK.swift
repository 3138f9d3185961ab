import TapestryCore

/// Any-shape kernels: output channels split into equal groups, each with the taps of its own set (ASKs: Convolution with
/// any-shape kernels for efficient neural networks, Neurocomputing 2021).
///
/// Every dense 3x3 convolution is replaced, the first included; kernels of other sizes are left alone.
struct ASK: Method {
    static let name = "ask"
    static let summary =
        "ask:ASK_5a: a published shape (\(publishedShapes.map(\.name).joined(separator: " "))); "
        + "ask:[[2,4,5,6,8],[1,3,5,7,9]]: one's own tap sets, taps numbered 1...9 row by row"

    static let stage = MethodStage.support

    /// The nine published shapes, each a list of tap sets.
    static let publishedShapes: [(name: String, sets: [[Int]])] = [
        ("ASK_7", [[1, 2, 4, 5, 6, 8, 9], [2, 3, 4, 5, 6, 7, 8]]),
        ("ASK_6", [[1, 2, 4, 5, 6, 8], [2, 3, 4, 5, 6, 8], [2, 4, 5, 6, 7, 8], [2, 4, 5, 6, 8, 9]]),
        ("ASK_5a", [[2, 4, 5, 6, 8]]),
        ("ASK_5b", [[2, 4, 5, 6, 8], [2, 4, 5, 6, 8], [2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]),
        ("ASK_4a", [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]),
        ("ASK_4b", [[2, 4, 5, 6], [2, 5, 6, 8], [4, 5, 6, 8], [2, 4, 5, 8]]),
        ("ASK_3a", [[2, 4, 5], [2, 5, 6], [4, 5, 8], [5, 6, 8]]),
        ("ASK_3b", [[2, 5, 8], [4, 5, 6]]),
        ("ASK_2", [[2, 5], [4, 5], [5, 6], [5, 8]]),
    ]

    let sets: [TapSet]

    init(argument: String?) throws(MethodError) {
        guard let argument, !argument.isEmpty else {
            throw MethodError("ask needs a shape: \(Self.summary)")
        }
        let numbers: [[Int]]
        if let published = Self.publishedShapes.first(where: { $0.name == argument }) {
            numbers = published.sets
        } else if argument.hasPrefix("[") {
            numbers = try TapSetText.parse(argument)
        } else {
            throw MethodError("unknown shape \"\(argument)\"; \(Self.summary)")
        }
        guard !numbers.isEmpty else { throw MethodError("ask:\(argument): no tap sets; it needs at least one") }
        do {
            sets = try numbers.map { numbers throws(SupportError) in try TapSet(numbers: numbers) }
        } catch { throw MethodError("ask:\(argument): \(error)") }
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        guard site.convolution.kernel == .square(3) else { return nil }
        var (node, shaped) = (site.node, site.convolution)
        guard shaped.isDense else {
            throw MethodError("already has a support of its own, so ask cannot give it another")
        }
        guard shaped.outputChannels % sets.count == 0 else {
            throw MethodError("\(sets.count) tap sets do not divide its \(shaped.outputChannels) output channels")
        }
        guard shaped.groups == 1 else {
            throw MethodError("has \(shaped.groups) groups; ask needs outputs that see all input channels")
        }
        shaped.support = .tapSets(sets)
        node.operation = .convolution(shaped)
        return Replacement([node])
    }
}
