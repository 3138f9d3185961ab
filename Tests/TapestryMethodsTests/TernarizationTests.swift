import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

/// The published quantiser, to the digit, and what of it the corrected one changes.
struct TernarizationTests {
    private let published = Ternarization()
    private let corrected = Ternarization(reading: .corrected)
    private let recorded: TernarizationTensors

    init() throws { recorded = try TernarizationTensors("ec2t_quantize.safetensors") }

    private static func expect(_ levels: TernaryLevels, _ positive: Float, _ negative: Float) {
        let tolerance = Tolerance(absolute: 1e-7, relative: 1e-6)
        expectClose(Double(levels.positive), Double(positive), within: tolerance, "w_p")
        expectClose(Double(levels.negative), Double(negative), within: tolerance, "w_n")
    }

    private func expect(_ actual: [Float], _ name: String) throws {
        let expected = try recorded.weights(name)
        expectClose(
            Tensor(shape: [actual.count], elements: actual), Tensor(shape: [expected.count], elements: expected),
            within: Tolerance(absolute: 1e-7, relative: 1e-6), name)
    }

    @Test(arguments: try RecordedTernarization.all())
    func startsAtThresholds(layer: RecordedTernarization) throws {
        let weights = try recorded.weights("\(layer.tensor).w")
        for start in layer.threshold {
            let name = "\(layer.tensor).thr\(start.ini_c)"
            let levels = published.startingLevels(.scaled(start.ini_c), of: weights)
            Self.expect(levels, start.w_p, start.w_n)
            let assignment = published.nearest(weights, levels)
            #expect(try assignment.codes == recorded.codes("\(name).assignment"))
            try expect(published.values(weights, levels, assignment), "\(name).quantised")
            let pruning = Ternarization(keepsMagnitudes: true)
            try expect(pruning.values(weights, levels, assignment), "\(name).pruned")
        }
    }

    @Test(arguments: try RecordedTernarization.all())
    func startsAtKMeans(layer: RecordedTernarization) throws {
        let weights = try recorded.weights("\(layer.tensor).w")
        let levels = published.startingLevels(.kMeans(centroids: 3), of: weights)
        Self.expect(levels, layer.kmeans.w_p, layer.kmeans.w_n)
        let assignment = published.nearest(weights, levels)
        #expect(try assignment.codes == recorded.codes("\(layer.tensor).kmeans.assignment"))
        try expect(published.values(weights, levels, assignment), "\(layer.tensor).kmeans.quantised")
    }

    @Test(arguments: try RecordedTernarization.all())
    func assignsUnderTheEntropyConstraint(layer: RecordedTernarization) throws {
        for sequence in layer.sequences {
            let constraint = EntropyConstraint(share: sequence.lambda_max_divider, decay: sequence.lambda_decay)
            for call in sequence.calls {
                let weights = try recorded.weights("\(layer.tensor).drift\(call.call).w")
                let levels = TernaryLevels(positive: call.w_p, negative: call.w_n)
                let (assignment, lambda) = published.assign(weights, levels, under: constraint)
                let name =
                    "\(layer.tensor).lmd\(sequence.lambda_max_divider).dec\(sequence.lambda_decay).call\(call.call)"
                expectClose(Double(lambda), Double(call.lambda_out), within: Tolerance(relative: 1e-5), name)
                #expect(try assignment.codes == recorded.codes("\(name).assignment"), "\(name)")
                try expect(published.values(weights, levels, assignment), "\(name).quantised")
            }
        }
    }

    @Test(arguments: try RecordedTernarization.all())
    func gradients(layer: RecordedTernarization) throws {
        let given = layer.get_grads
        let weights = try recorded.weights("\(layer.tensor).w")
        let levels = TernaryLevels(positive: given.w_p, negative: given.w_n)
        let assignment = published.nearest(weights, levels)
        #expect(try assignment.codes == recorded.codes(given.assignment))
        let upstream = try recorded.weights("\(layer.tensor).grads.t_grad")
        let result = published.gradients(of: upstream, levels, assignment)
        try expect(result.weights, "\(layer.tensor).grads.fp_grad")
        let tolerance = Tolerance(absolute: 1e-5, relative: 1e-5)
        expectClose(Double(result.levels.positive), Double(given.grad_w_p), within: tolerance)
        expectClose(Double(result.levels.negative), Double(given.grad_w_n), within: tolerance)
        // The level is -w_n, so what moves it up moves w_n down.
        let mended = corrected.gradients(of: upstream, levels, assignment)
        #expect(mended.levels.negative == -result.levels.negative)
        #expect(mended.levels.positive == result.levels.positive)
        #expect(mended.weights == result.weights)
    }

    /// Against finite differences: L = sum(g·level(assignment)) as a function of the levels.
    @Test func correctedGradientsOfLevelsAreThoseOfTheLoss() {
        let weights: [Float] = [-0.9, -0.5, -0.1, 0.05, 0.4, 0.7, 0.8]
        let upstream: [Float] = [0.5, -1.25, 3, 2, 0.75, -0.25, 1]
        let levels = TernaryLevels(positive: 0.6, negative: 0.7)
        let assignment = corrected.nearest(weights, levels)
        func loss(_ levels: TernaryLevels) -> Double {
            zip(upstream, corrected.values(weights, levels, assignment)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let step: Float = 0.125
        let gradients = corrected.gradients(of: upstream, levels, assignment).levels
        var (higher, lower) = (levels, levels)
        higher.positive += step
        lower.positive -= step
        expectClose(
            Double(gradients.positive), (loss(higher) - loss(lower)) / Double(2 * step), within: .init(absolute: 1e-5))
        (higher, lower) = (levels, levels)
        higher.negative += step
        lower.negative -= step
        expectClose(
            Double(gradients.negative), (loss(higher) - loss(lower)) / Double(2 * step), within: .init(absolute: 1e-5))
    }

    @Test func correctedPruningPassesGradientsOn() {
        let pruning = Ternarization(reading: .corrected, keepsMagnitudes: true)
        let assignment = pruning.nearest([-1, 0.1, 2], TernaryLevels(positive: 2, negative: 1))
        let levels = TernaryLevels(positive: 2, negative: 1)
        #expect(pruning.gradients(of: [3, 5, 7], levels, assignment).weights == [3, 5, 7])
        let asPublished = Ternarization(keepsMagnitudes: true)
        #expect(asPublished.gradients(of: [3, 5, 7], levels, assignment).weights == [3, 5, 14])
    }

    @Test func correctedKMeansIsOfMeans() {
        let weights: [Float] = [-1.1, -0.9, -1, 0, 0.1, -0.1, 1.9, 2.1]
        let levels = corrected.startingLevels(.kMeans(centroids: 3), of: weights)
        expectClose(Double(levels.negative), 1, within: .init(absolute: 1e-6))
        expectClose(Double(levels.positive), 2, within: .init(absolute: 1e-6))
    }

    /// Published, lambda is below zero and every weight goes to the value that none is near.
    @Test func weightsOfOneSignStayWithTheirLevels() {
        let weights: [Float] = [0.2, 0.5, 0.9, 1, 0.8, 0.3]
        let levels = TernaryLevels(positive: 0.8, negative: 0.06)
        let constraint = EntropyConstraint(share: 0.15)
        let (assignment, lambda) = corrected.assign(weights, levels, under: constraint)
        #expect(lambda >= 0)
        #expect(assignment.counts.negative == 0)
        #expect(assignment.counts.positive > 0)
    }

    @Test(arguments: [TernarizationReading.published, .corrected])
    func degenerateLayers(reading: TernarizationReading) {
        let ternarization = Ternarization(reading: reading)
        for weights: [Float] in [[0, 0, 0, 0], [0.5], [-1, -1, -1], [1e-30, -1e-30], [0, 0, 1e30, -1e30]] {
            for start in [TernaryStart.scaled(0.3), .kMeans(centroids: 3), .asTheyAre] {
                let levels = ternarization.raised(
                    ternarization.startingLevels(start, of: weights), over: weights)
                let (assignment, lambda) = ternarization.assign(weights, levels, under: .init(share: 0.15))
                #expect(lambda.isFinite)
                #expect(assignment.counts.total == weights.count)
            }
        }
    }

    @Test func smallerLayersAreConstrainedLess() {
        #expect(EntropyConstraint.decay(layer: 100, largest: 100) == 1)
        expectClose(EntropyConstraint.decay(layer: 5, largest: 100), 0.1 / 1.05, within: .rounding)
    }

    @Test func entropyAndSparsity() {
        let counts = TernaryCounts(negative: 10, zero: 30, positive: 0)
        #expect(counts.sparsity == 0.75)
        expectClose(counts.entropy, 0.8112781244591328, within: .rounding)
        #expect(TernaryCounts(negative: 0, zero: 7, positive: 0).entropy == 0)
        #expect(TernaryCounts(negative: 0, zero: 0, positive: 0).entropy == 0)
    }

    @Test func signsOfTernaryWeightsAreTheirAssignment() {
        let assignment = TernaryAssignment(signsOf: [-0.5, 0, 0.25, -0.0])
        #expect(assignment.codes == [0, 1, 2, 1])
        #expect(assignment.values(TernaryLevels(positive: 3, negative: 4)) == [-4, 0, 3, 0])
    }
}
