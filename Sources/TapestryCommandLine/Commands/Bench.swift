import ArgumentParser
import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryRewrites
import TapestryRuntime

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast deployed networks run by Tapestry's own kernels, or on a GPU.",
        usage: "tapestry bench MODEL... | --arch A [--method M]... [--batch N,N] …",
        discussion: """
            Networks are deployed first, as by `tapestry convert`. All rows are measured turn by turn in one run, so that \
            a machine that slows down slows all of them. Networks that --arch names have random weights.

            --explain measures each layer on one thread and says how it is computed: how many of a dense kernel's \
            multiply-adds its support needs, how many are computed, and how fast.

            --device cuda measures on a GPU, by its own clock, after a warm-up: each network recorded as a CUDA graph, \
            and for single images also as the methods' authors publish it: 1000 images one after the other, after 100, \
            the best of three times.

            Examples:
              tapestry bench runs/*/best.safetensors
              tapestry bench --arch ask/vgg16 --method ask:ASK_4a --against dense
              tapestry bench --arch ask/resnet20 --method ask:ASK_2 --explain
              tapestry bench runs/a/best.safetensors --batch 1 --tune
            """)

    @Argument(help: "Model files.", completion: .file())
    var models: [String] = []

    @OptionGroup(title: "Network") var network: BenchNetworkArguments
    @OptionGroup(title: "Computing") var threadArguments: ThreadArguments

    @Option(
        help: ArgumentHelp("Where to compute; by default cpu.", valueName: "cpu|cuda[:i]"),
        completion: .list(Device.allValueStrings))
    var device: Device?

    @OptionGroup var planned: PlanArguments

    @Option(
        help: ArgumentHelp(
            "Measure the network with this method too, and show how many times faster the others are.",
            valueName: "method"))
    var against: String?

    @Flag(help: "Show for each layer how it is computed and how fast.")
    var explain = false

    @Flag(
        help: ArgumentHelp(
            "Measure which kernels and plans are fastest, and keep that for bench, evaluate and predict.",
            discussion: "For the same network, batch size, threads and precision, in Tapestry's cache."))
    var tune = false

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        try network.validate(besides: models)
        if network.arch == nil, against != nil {
            throw ValidationError("--against is for networks that --arch names")
        }
        if device?.isProcessor == false, explain || tune {
            throw ValidationError("--explain and --tune are for Tapestry's kernels for CPUs; leave out --device")
        }
        try planned.precision.check(on: device)
        if explain, json { throw ValidationError("--explain prints tables; leave out --json") }
    }

    func run() throws {
        let budget = threadArguments.budget
        // A device that is not there is refused before anything takes time.
        let gpu = try device.flatMap { $0.isProcessor ? nil : try DeviceBench(on: $0, threads: budget.count) }
        let subjects = try models.map(BenchSubject.init(modelFile:)) + network.subjects(against: against)
        if let gpu {
            let rows = try gpu.rows(subjects, batches: planned.batch.sizes, precision: planned.precision)
            return try json ? Console.printJSON(rows) : Console.print(gpu.table(rows, against: against))
        }
        Console.note(
            "threads: \(budget.count) (\(budget.reason)), \(try InstructionSet.best(for: planned.precision.native).name)"
        )
        if tune { try tune(subjects, threads: budget.count) }
        if explain {
            for subject in subjects {
                for size in planned.batch.sizes {
                    try Console.print(
                        BenchExplanation(
                            subject, batch: size, threads: budget.count, precision: planned.precision.native
                        ).text)
                }
            }
            return
        }
        let rows = try BenchRun(
            subjects, batches: planned.batch.sizes, threads: budget.count, precision: planned.precision.native
        ).rows()
        try json ? Console.printJSON(rows.map(\.document)) : Console.print(table(rows))
    }

    /// Measures and keeps what is fastest for each network and batch size.
    private func tune(_ subjects: [BenchSubject], threads: Int) throws {
        let instructionSet = try InstructionSet.best(for: planned.precision.native)
        let store = TuningStore()
        for subject in subjects {
            for size in planned.batch.sizes {
                var bar: ProgressBar?
                defer { bar?.finish() }
                var seen = 0
                let tuning = try Tuning.measured(
                    subject.model, batch: size, threads: threads, instructionSet: instructionSet
                ) { done, count in
                    let shown =
                        bar ?? ProgressBar("tuning \(subject.name) \(subject.method)", total: count, unit: "plans")
                    bar = shown
                    shown.advance(by: done - seen)
                    seen = done
                }
                try store.keep(
                    tuning, for: TuningStore.Key(subject.model, batch: size, threads: threads, instructionSet))
            }
        }
    }

    private func table(_ rows: [BenchRow]) -> String {
        var table = Table(
            ("network", .left), ("method", .left), ("batch", .right), ("median", .right), ("10 % - 90 %", .right),
            ("images/s", .right), ("GFLOPS", .right), ("speed-up", .right), ("in theory", .right))
        for row in rows {
            let baseline = against.flatMap { method in rows.first { $0.isRival(of: row, method: method) } }
            table.append(
                row.subject.name, row.subject.method, "\(row.batch)", "\((row.median * 1e3).significant(4)) ms",
                "\((row.p10 * 1e3).significant(3)) - \((row.p90 * 1e3).significant(3))",
                row.imagesPerSecond.groupedWhole,
                row.gflops.significant(3), baseline.map { ($0.median / row.median).decimals(2) } ?? "",
                baseline.map { (Double($0.subject.macs) / Double(row.subject.macs)).decimals(2) } ?? "")
        }
        return table.text
    }
}

/// What networks of `bench` and `predict-cost` are planned for, beside threads.
struct PlanArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("Images at a time, several numbers separated by commas.", valueName: "n,n"),
        transform: BatchSizes.init)
    var batch = BatchSizes.usual

    @Option(help: "What values and weights are stored in, or on GPUs tf32; sums are in 32-bit floats either way.")
    var precision = RunConfiguration.Precision.fp32
}

/// Numbers of images at a time.
struct BatchSizes: Equatable, Sendable {
    let sizes: [Int]

    static let usual = BatchSizes(sizes: [1, 64])

    private init(sizes: [Int]) { self.sizes = sizes }

    /// Reads numbers separated by commas.
    init(_ text: String) throws {
        sizes = try text.split(separator: ",", omittingEmptySubsequences: false).map {
            try Positive.extent(String($0))
        }
    }
}

/// The networks of `bench`: as `NetworkArguments`, with any number of methods.
struct BenchNetworkArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The network: a name that `tapestry archs` lists, or a model file.", valueName: "family/name|file"),
        completion: .list(Zoo.listed.map(\.name)))
    var arch: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Rewrite every eligible convolution; given several times, a row for each.", valueName: "method"))
    var method: [String] = []

    @Option(help: "How many classes; by default the network's own.", transform: Positive.extent)
    var classes: Int?

    @Option(help: "Height and width of the images; by default the network's own.", transform: Positive.extent)
    var imageSize: Int?

    @Option(help: "Channels of the images; by default the network's own.", transform: Positive.extent)
    var channels: Int?

    @OptionGroup var variant: VariantArguments

    /// Either models or a network with methods.
    func validate(besides models: [String]) throws {
        if models.isEmpty == (arch == nil) {
            throw ValidationError("name models or --arch, as ask/resnet20 (`tapestry archs` lists them)")
        }
        if arch == nil, !method.isEmpty { throw ValidationError("--method is for networks that --arch names") }
    }

    /// A network for each method, the one of `against` first; the plain one where no method is given.
    func subjects(against: String?) throws -> [BenchSubject] {
        guard let arch else { return [] }
        var methods = method
        if let against, !methods.contains(against) { methods.insert(against, at: 0) }
        return try (methods.isEmpty ? ["dense"] : methods).map { method in
            var arguments = try NetworkArguments.parse([])
            arguments.arch = arch
            arguments.method = method == "dense" ? nil : method
            (arguments.classes, arguments.imageSize, arguments.channels) = (classes, imageSize, channels)
            arguments.variant = variant
            return try BenchSubject(name: arch, method: method, arguments.freshModel())
        }
    }
}
