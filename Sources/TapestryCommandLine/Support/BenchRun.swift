import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryRuntime

/// A deployed network that is measured.
package struct BenchSubject {
    package let name: String
    package let method: String
    package let model: FrozenModel
    /// Multiply-adds for one image.
    package let macs: Int

    init(name: String, method: String, _ model: Model) throws {
        self.name = name
        self.method = method
        self.model = try model.deployed()
        macs = try Count(self.model.graph).macs
    }

    /// Throws: `InputNotFound`, `FormatError`; `CommandFailure` for weights alone.
    init(modelFile path: String) throws {
        let model = try NetworkArguments.selfDescribingModel(at: path)
        try self.init(name: path, method: model.facts["method"] ?? "dense", model)
    }
}

/// What was measured of one network with one batch size; times in seconds.
struct BenchRow {
    let subject: BenchSubject
    let batch: Int
    let threads: Int
    let precision: NativePrecision
    /// Bytes: weights as kernels have them, and what one caller's images take on their way.
    let memory: (weights: Int, values: Int)
    private let times: [Double]

    init(subject: BenchSubject, batch: Int, _ network: NativeNetwork, times: [Double]) {
        self.subject = subject
        self.batch = batch
        threads = network.threads
        precision = network.precision
        memory = network.memory
        self.times = times.sorted()
    }

    private func quantile(_ share: Double) -> Double { times[Int((Double(times.count - 1) * share).rounded())] }

    var median: Double { quantile(0.5) }
    var p10: Double { quantile(0.1) }
    var p90: Double { quantile(0.9) }
    var imagesPerSecond: Double { Double(batch) / median }

    /// 10^9 floating-point operations a second, two for each multiply-add that the support asks for.
    var gflops: Double { 2 * Double(subject.macs) * Double(batch) / median * 1e-9 }

    /// Whether this is the same network and batch with the method.
    func isRival(of other: BenchRow, method: String) -> Bool {
        subject.name == other.subject.name && batch == other.batch && subject.method == method
    }

    struct Document: Encodable {
        let model: String
        let method: String
        let batch: Int
        let threads: Int
        let precision: String
        let median_ms: Double
        let p10_ms: Double
        let p90_ms: Double
        let images_per_second: Double
        let macs: Int
        let gflops: Double
        let weight_bytes: Int
        let arena_bytes: Int
    }

    var document: Document {
        Document(
            model: subject.name, method: subject.method, batch: batch, threads: threads, precision: precision.rawValue,
            median_ms: median * 1e3, p10_ms: p10 * 1e3, p90_ms: p90 * 1e3, images_per_second: imagesPerSecond,
            macs: subject.macs, gflops: gflops, weight_bytes: memory.weights, arena_bytes: memory.values)
    }
}

/// Measures networks turn by turn.
struct BenchRun {
    private let contenders: [Contender]

    /// A planned network, its images and how often it runs for one measurement.
    private struct Contender {
        let subject: BenchSubject
        let batch: Int
        let network: NativeNetwork
        let images: [Float]
        var repetitions = 1

        func seconds() -> Double {
            var logits = [Float](repeating: 0, count: batch * network.outputShape.count)
            return images.withUnsafeBufferPointer { images in
                logits.withUnsafeMutableBufferPointer { logits in
                    let start = ContinuousClock.now
                    for _ in 0..<repetitions { network.run(images, count: batch, order: .channelsLast, into: logits) }
                    return (ContinuousClock.now - start) / .seconds(1) / Double(repetitions)
                }
            }
        }
    }

    init(_ subjects: [BenchSubject], batches: [Int], threads: Int, precision: NativePrecision) throws {
        contenders = try subjects.flatMap { subject in
            try batches.map { batch in
                let network = try NativeNetwork(
                    tuned: subject.model, batch: batch, threads: threads, precision: precision)
                var stream = RandomStream(seed: 1, purpose: .measurement)
                let images = (0..<batch * network.inputShape.count).map { _ in Float(stream.uniform(in: -1...1)) }
                var contender = Contender(subject: subject, batch: batch, network: network, images: images)
                // The first runs touch memory for the first time and wake threads; one measurement takes 2 ms or more.
                _ = contender.seconds()
                contender.repetitions = max(1, Int(0.002 / contender.seconds()))
                return contender
            }
        }
    }

    /// At least 11 measurements of each, about a second's worth.
    func rows() -> [BenchRow] {
        var times = [[Double]](repeating: [], count: contenders.count)
        var rounds = 0
        let start = ContinuousClock.now
        while rounds < 11 || ContinuousClock.now - start < .seconds(1) * contenders.count && rounds < 501 {
            for (index, contender) in contenders.enumerated() { times[index].append(contender.seconds()) }
            rounds += 1
        }
        return zip(contenders, times).map {
            BenchRow(subject: $0.subject, batch: $0.batch, $0.network, times: $1)
        }
    }
}

/// A network's layers, how each is computed, and how fast.
struct BenchExplanation {
    private let subject: BenchSubject
    private let batch: Int
    private let images: Int
    private let steps: [StepProfile]

    init(_ subject: BenchSubject, batch: Int, threads: Int, precision: NativePrecision) throws {
        self.subject = subject
        self.batch = batch
        let network = try NativeNetwork(
            tuned: subject.model, batch: batch, threads: threads, precision: precision)
        images = network.imagesPerStep
        _ = network.profile(rounds: 2)
        steps = network.profile(rounds: 15)
    }

    var text: String {
        var table = Table(
            ("layer", .left), ("kernel", .left), ("multiply-adds", .right), ("of dense", .right), ("computed", .right),
            ("time", .right), ("GFLOPS", .right))
        func append(_ name: String, _ kernel: String, _ macs: Int, _ dense: Int, _ computed: Int, _ seconds: Double) {
            let isCounted = macs > 0
            table.append(
                name, kernel, isCounted ? macs.grouped : "",
                isCounted ? (100 * Double(macs) / Double(dense)).percent : "",
                isCounted ? (100 * Double(computed) / Double(dense)).percent : "",
                "\((seconds * 1e6 / Double(images)).significant(3)) µs",
                isCounted ? (2 * Double(macs * images) / seconds * 1e-9).significant(3) : "")
        }
        for step in steps {
            append(step.nodes[0], step.kernel, step.macs, step.denseMacs, step.computedMacs, step.seconds)
        }
        table.rule()
        func sum(_ figure: (StepProfile) -> Int) -> Int { steps.reduce(0) { $0 + figure($1) } }
        append(
            "\(subject.name) \(subject.method)", "batch \(batch)", sum(\.macs), sum(\.denseMacs), sum(\.computedMacs),
            steps.reduce(0) { $0 + $1.seconds })
        return table.text
            + """

            Processor time of one thread, \(images) images at a time; multiply-adds and times are for one image.
            "of dense" is what the support asks for, and so what theory allows; "computed" has the zeros where supports
            share vectors.

            """
    }
}
