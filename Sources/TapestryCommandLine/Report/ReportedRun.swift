import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// A run as a report shows it.
struct ReportedRun {
    /// The last evaluations of a run, as ACNet's logs are summed up: less subject to chance than the last one alone.
    struct LastEvaluations: Encodable {
        static let count = 5

        /// Five, or as many as there are.
        let evaluations: Int
        let maximumTop1: Double
        let meanTop1: Double
        let meanLoss: Double

        /// Nil where there are none.
        init?(_ all: [TestFigures]) {
            let last = all.suffix(Self.count)
            guard let maximum = last.map(\.top1).max() else { return nil }
            evaluations = last.count
            maximumTop1 = maximum
            meanTop1 = last.reduce(0) { $0 + $1.top1 } / Double(last.count)
            meanLoss = last.reduce(0) { $0 + $1.loss } / Double(last.count)
        }
    }

    /// Short, and unlike any other run's in the report.
    let name: String
    let record: RunRecord
    /// Nil before the first epoch has ended.
    let network: ReportedNetwork?

    let trainings: [TrainingFigures]
    let evaluations: [TestFigures]
    let lastFive: LastEvaluations?
    /// Nil for a run that quantises nothing.
    let quantized: QuantizedRun?

    init(name: String, record: RunRecord, network: ReportedNetwork?, quantized: QuantizedRun? = nil) {
        self.name = name
        self.record = record
        self.network = network
        self.quantized = quantized
        trainings = record.trainings
        evaluations = record.tests
        lastFive = LastEvaluations(evaluations)
    }

    var method: String {
        MethodAssignment(rules: record.methods.map { .init(pattern: $0.layers, method: $0.method) }).text
    }

    /// How many epochs of training have ended.
    var epochsDone: Int { trainings.last?.epoch ?? 0 }

    var last: TestFigures? { evaluations.last }

    /// The evaluation with the highest top-1, the first of equals.
    var best: TestFigures? { evaluations.max { $0.top1 < $1.top1 } }

    /// Of the last epoch.
    var trainLoss: Double? { trainings.last?.loss }

    /// Of all epochs, in training.
    var trainSeconds: Double { trainings.reduce(0) { $0 + $1.seconds } }

    /// Of all epochs, in evaluation.
    var testSeconds: Double { evaluations.reduce(0) { $0 + $1.seconds } }

    /// Images trained on in a second of training, over all epochs; nil where no time is recorded.
    var imagesPerSecond: Double? {
        let images = trainings.reduce(0) { $0 + $1.imagesPerSecond * $1.seconds }
        return trainSeconds > 0 ? images / trainSeconds : nil
    }
}

/// A network of one or more runs, and what it stores and computes.
struct ReportedNetwork {
    let graph: Graph
    let count: Count

    /// The network that the run in `folder` trains: that of its last model, or its best; nil before it has one.
    ///
    /// Throws: `FormatError`.
    init?(of folder: RunFolder) throws {
        for path in [folder.last, folder.best] {
            do {
                graph = try ModelFile.readGraph(path)
            } catch is InputNotFound { continue }
            do { count = try Count(graph) } catch { throw FormatError(file: path, reason: error.description) }
            return
        }
        return nil
    }
}
