import TapestryCore
import TapestryRewrites
import TapestryTestSupport
import Testing

/// log2(4/3).
private let log4Thirds = 0.415_037_499_278_843_8

/// Storage formats and the tree adder, worked out by hand.
struct StorageFormatTests {
    private static func bits(
        _ figures: WeightFigures, _ precision: ScoringPrecision = .half
    ) -> [StorageFormat: Double] {
        Dictionary(
            uniqueKeysWithValues: StorageFormat.allCases.compactMap { format in
                format.bits(figures, precision: precision).map { (format, $0) }
            })
    }

    private static func expectSmallest(
        _ figures: WeightFigures, _ format: StorageFormat, _ bits: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let smallest = StorageFormat.smallest(figures, precision: .half)
        #expect(smallest.format == format, sourceLocation: sourceLocation)
        #expect(smallest.bits == bits, sourceLocation: sourceLocation)
    }

    /// 16 weights in 2 rows, 4 of them not zero: 3 bits for one of 8 positions, 3 for one of the numbers 0 to 4.
    @Test func ternary() {
        let figures = WeightFigures(
            Tensor(shape: [2, 8], elements: [0.5, 0, -0.25, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, -0.25]))
        #expect(figures.isTernary)
        #expect(figures.count == 16)
        #expect(figures.nonzeros == 4)
        #expect(figures.positives == 2)
        #expect(figures.negatives == 2)
        #expect(figures.rows.map(\.nonzeros) == [3, 1])
        #expect(figures.positiveLevel == 0.5)
        #expect(figures.negativeLevel == -0.25)
        #expect(figures.magnitudes == 2)
        let bits = Self.bits(figures)
        #expect(bits[.dense] == 256)
        // 16 + 4 * 16
        #expect(bits[.mask] == 80)
        // 2 * 16 + 2 * 16
        #expect(bits[.twoMasks] == 64)
        // 16 + 4 + 2 * 16
        #expect(bits[.maskAndSigns] == 52)
        // 4 * (3 + 1) + 3 * 3 + 2 * 16
        #expect(bits[.csr] == 57)
        // 4 * 3 + 2 * 3 * 3 + 2 * 16
        #expect(bits[.cer] == 62)
        // Twelve of probability 3/4, four of 1/8, and two levels: 12 log2(4/3) + 4 * 3 + 2 * 16.
        expectClose(bits[.entropy] ?? 0, 12 * log4Thirds + 44, within: .rounding)
        Self.expectSmallest(figures, .maskAndSigns, 52)
        // 16 + 4 + 2 * 32
        #expect(Self.bits(figures, .single)[.maskAndSigns] == 84)
    }

    @Test func oneMagnitudeIsStoredOnce() {
        let figures = WeightFigures(Tensor(shape: [1, 4], elements: [0.5, -0.5, 0, 0.5]))
        #expect(figures.magnitudes == 1)
        // 4 + 3 + 16
        #expect(Self.bits(figures)[.maskAndSigns] == 23)
        #expect(Self.bits(figures)[.twoMasks] == 24)
    }

    @Test func whatHasNoZerosNeedsNoMask() {
        let figures = WeightFigures(Tensor(shape: [2, 2], elements: [1, -1, -1, 1]))
        #expect(Self.bits(figures)[.mask] == 64)
        #expect(Self.bits(figures)[.maskAndSigns] == 20)
        Self.expectSmallest(figures, .maskAndSigns, 20)
    }

    /// 2 bits for one of 4 positions, 2 for one of the numbers 0 to 3.
    @Test func otherLayersHaveFewerFormats() {
        let figures = WeightFigures(Tensor(shape: [1, 4], elements: [1, 2, 3, 0]))
        #expect(!figures.isTernary)
        let bits = Self.bits(figures)
        #expect(bits[.dense] == 64)
        // 4 + 3 * 16
        #expect(bits[.mask] == 52)
        // 3 * (2 + 16) + 2 * 2
        #expect(bits[.csr] == 58)
        #expect(bits[.twoMasks] == nil && bits[.maskAndSigns] == nil && bits[.cer] == nil)
        expectClose(bits[.entropy] ?? 0, 3 * log4Thirds + 50, within: .rounding)
    }

    @Test(
        arguments: [[Float]](
            [[.nan, 0], [1, .nan], [1, 2], [-1, -2], [.nan, .nan]]))
    func whatIsNotTernary(values: [Float]) {
        #expect(!WeightFigures(Tensor(shape: [1, 2], elements: values)).isTernary)
    }

    @Test func emptyAndZeroLayers() {
        let empty = WeightFigures(Tensor(shape: [0, 3], elements: []))
        #expect(empty.isTernary)
        #expect(empty.count == 0)
        Self.expectSmallest(empty, .dense, 0)
        let zero = WeightFigures(Tensor(shape: [1, 32], elements: Array(repeating: 0, count: 32)))
        #expect(zero.magnitudes == 0)
        // No index for none of the numbers 0 to 0: nothing is left to say.
        Self.expectSmallest(zero, .csr, 0)
        #expect(Self.bits(zero)[.mask] == 32)
    }

    /// Only positions of the support are there.
    @Test func supports() throws {
        let taps = try TapSet(numbers: [2, 5], in: .square(3))
        let convolution = Convolution(
            inputChannels: 3, outputChannels: 2, kernel: .square(3), support: .tapSets([taps]))
        let stored = [Tensor<Float>(shape: [2, 6, 1, 1], elements: [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0])]
        let figures = WeightFigures(convolution, stored)
        #expect(figures.rows.map(\.count) == [6, 6])
        #expect(figures.rows.map(\.nonzeros) == [1, 2])
        #expect(figures.columns == 6)
        // 12 + 3 * 16
        #expect(Self.bits(figures)[.mask] == 60)
    }

    @Test func wholeModel() throws {
        let (model, _) = try SmallTernaryNetwork.model()
        let comparison = StorageComparison(model, precision: .half)
        // Beside the weights a batch norm of 2 channels and 3 biases, 16 bits each.
        #expect(comparison.bytes[.dense] == 42)
        // (27 + 96 + 112) / 8
        #expect(comparison.bytes[.maskAndSigns] == 29.375)
        #expect(comparison.smallest == 29.375)
        #expect(comparison.layers.map(\.name) == ["conv", "fc"])
        #expect(comparison.layers[1].bytes[.cer] == nil)
    }
}

struct TreeAdderTests {
    struct Case: Sendable {
        let operands: Double
        var bits = 16
        /// The widths of the adders.
        let adders: [Double]
    }

    @Test(arguments: [
        Case(operands: 0, adders: []), Case(operands: 1, adders: []), Case(operands: 2, adders: [16]),
        Case(operands: 3, adders: [16, 17]), Case(operands: 4, adders: [16, 16, 17]),
        Case(operands: 5, adders: [16, 16, 17, 18]),
        // Sums stay at 32 bits.
        Case(operands: 8, bits: 31, adders: [31, 31, 31, 31, 32, 32, 32]),
        Case(operands: 5, bits: 32, adders: [32, 32, 32, 32]),
        // Of two and a half, one pair; what is left counts as two.
        Case(operands: 2.5, adders: [16, 17]), Case(operands: -1, adders: []),
    ])
    func byHand(it: Case) {
        #expect(TreeAdder.cost(operands: it.operands, bits: it.bits) == it.adders.reduce(0, +) / 32)
    }
}
