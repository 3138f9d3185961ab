import ArgumentParser
import TapestryCore
import TapestryRuntime

struct PredictCost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict-cost",
        abstract: "Predict how long networks will take on this CPU, before they are trained.",
        usage: "tapestry predict-cost --arch A [--method M]... | MODEL... [--batch N,N] [--layers] …",
        discussion: """
            A cost model of Tapestry's own kernels says how many vector multiplications each layer takes, the zeros that \
            are computed with it and the memory that is read included; some milliseconds of measuring say how long one \
            takes on this processor. The dense network is predicted too, and a method that will not be faster is warned \
            of: "in theory" only counts multiply-adds.

            --measure runs the networks as well and shows how far off the predictions are.

            Examples:
              tapestry predict-cost --arch ask/vgg16 --method ask:ASK_4a --method hetconv:4
              tapestry predict-cost --arch ask/resnet20 --method ask:ASK_2 --batch 1 --layers
              tapestry predict-cost --arch ask/resnet20 --method ask:ASK_5a --measure
            """)

    @Argument(help: "Model files.", completion: .file())
    var models: [String] = []

    @OptionGroup(title: "Network") var network: BenchNetworkArguments
    @OptionGroup(title: "Computing") var threadArguments: ThreadArguments

    @OptionGroup var planned: PlanArguments

    @Flag(help: "Show each layer.")
    var layers = false

    @Flag(help: "Run the networks too, and show how far off the predictions are.")
    var measure = false

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        try network.validate(besides: models)
        try planned.precision.check(on: nil)
    }

    func run() throws {
        let budget = threadArguments.budget
        let instructionSet = try InstructionSet.best(for: planned.precision.native)
        let subjects = try models.map(BenchSubject.init(modelFile:)) + network.subjects(against: "dense")
        Console.note("threads: \(budget.count) (\(budget.reason)), \(instructionSet.name)")
        let measured =
            try measure
            ? BenchRun(
                subjects, batches: planned.batch.sizes, threads: budget.count, precision: planned.precision.native
            ).rows() : []
        let speed = ProcessorSpeed(measuring: instructionSet)
        var rows: [Row] = []
        for subject in subjects {
            for size in planned.batch.sizes {
                let cost = try NativeNetwork.predictedCost(
                    of: subject.model, batch: size, threads: budget.count, on: speed)
                let median = measured.first {
                    $0.subject.name == subject.name && $0.subject.method == subject.method && $0.batch == size
                }?.median
                rows.append(Row(subject: subject, batch: size, cost: cost, measured: median))
            }
        }
        for row in rows { warn(of: row, among: rows) }
        try json ? Console.printJSON(rows.map { document($0, among: rows) }) : Console.print(text(rows))
    }

    /// What is predicted, and perhaps measured, of one network with one batch size.
    private struct Row {
        let subject: BenchSubject
        let batch: Int
        let cost: CostPrediction
        /// Seconds.
        let measured: Double?

        var error: Double? { measured.map { cost.seconds / $0 - 1 } }

        func dense(among rows: [Row]) -> Row? {
            rows.first { $0.subject.name == subject.name && $0.batch == batch && $0.subject.method == "dense" }
        }
    }

    private func warn(of row: Row, among rows: [Row]) {
        guard row.subject.method != "dense", let dense = row.dense(among: rows) else { return }
        let speedUp = dense.cost.seconds / row.cost.seconds
        if speedUp < 1.05 {
            Console.note(
                "warning: \(row.subject.method) on \(row.subject.name), batch \(row.batch), is not expected to be faster than "
                    + "the dense network here: \(speedUp.decimals(2)) times as fast")
        }
    }

    private func text(_ rows: [Row]) -> String {
        var table = Table(
            ("network", .left), ("method", .left), ("batch", .right), ("predicted", .right), ("speed-up", .right),
            ("in theory", .right), ("measured", .right), ("off by", .right))
        for row in rows {
            let dense = row.dense(among: rows)
            table.append(
                row.subject.name, row.subject.method, "\(row.batch)", milliseconds(row.cost.seconds),
                dense.map { ($0.cost.seconds / row.cost.seconds).decimals(2) } ?? "",
                dense.map { (Double($0.subject.macs) / Double(row.subject.macs)).decimals(2) } ?? "",
                row.measured.map(milliseconds) ?? "", row.error.map { (100 * $0).percent } ?? "")
        }
        let errors = rows.compactMap(\.error)
        let summary =
            errors.isEmpty
            ? ""
            : "\nPredictions are off by \((100 * errors.map(abs).reduce(0, +) / Double(errors.count)).percent) on average.\n"
        return (layers ? rows.map(layerTable).joined(separator: "\n") + "\n" : "") + table.text + summary
    }

    private func milliseconds(_ seconds: Double) -> String { "\((seconds * 1e3).significant(4)) ms" }

    private func layerTable(_ row: Row) -> String {
        var table = Table(("layer", .left), ("multiply-adds", .right), ("of dense", .right), ("predicted", .right))
        for step in row.cost.steps {
            table.append(
                step.nodes[0], step.macs > 0 ? step.macs.grouped : "",
                step.macs > 0 ? (100 * Double(step.macs) / Double(step.denseMacs)).percent : "",
                "\((step.seconds * 1e6).significant(3)) µs")
        }
        return "\(row.subject.name) \(row.subject.method), batch \(row.batch), for one image\n" + table.text
    }

    private struct Document: Encodable {
        struct Layer: Encodable {
            let layer: String
            let macs: Int
            let dense_macs: Int
            let predicted_us: Double
        }

        let model: String
        let method: String
        let batch: Int
        let precision: String
        let predicted_ms: Double
        let speed_up: Double?
        let in_theory: Double?
        let measured_ms: Double?
        let layers: [Layer]?
    }

    private func document(_ row: Row, among rows: [Row]) -> Document {
        let dense = row.dense(among: rows)
        return Document(
            model: row.subject.name, method: row.subject.method, batch: row.batch,
            precision: planned.precision.native.rawValue,
            predicted_ms: row.cost.seconds * 1e3, speed_up: dense.map { $0.cost.seconds / row.cost.seconds },
            in_theory: dense.map { Double($0.subject.macs) / Double(row.subject.macs) },
            measured_ms: row.measured.map { $0 * 1e3 },
            layers: layers
                ? row.cost.steps.map {
                    Document.Layer(
                        layer: $0.nodes[0], macs: $0.macs, dense_macs: $0.denseMacs, predicted_us: $0.seconds * 1e6)
                } : nil)
    }
}
