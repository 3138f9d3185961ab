#if TAPESTRY_LIBTORCH
import Foundation
import TapestryCore
import TapestryFormats
import TapestryRewrites
import Testing

/// Quantising, retraining and scaling by the built program on a small data set of its own making.
@Suite("Quantisation runs", .serialized) struct QuantizationRunTests {
    private static let quick = "--batch-size 16 --threads 1"

    private struct Table: Decodable {
        struct Cell: Decodable {
            struct Figures: Decodable { let sparsity, bytes, score: Double }
            let run, cell: String
            let top1: Double
            let figures: Figures?
        }

        let cells: [Cell]
        let front: [String]
    }

    private static func data(_ run: SmallRun) -> String { "--data \(run.folder)/data \(quick)" }

    private static func trained(_ run: SmallRun) throws -> String {
        #expect(try run.train(out: "dense", "--epochs", "2").status == 0)
        return "\(run.folder)/dense/best.safetensors"
    }

    /// A grid over an any-shape network: each cell a run, ternary on the support, that every command reads.
    @Test func gridsAreQuantisedOnTheSupport() throws {
        try SmallRun.with { run throws in
            let dense = try Self.trained(run)
            let command =
                "$tapestry quantize \(dense) \(Self.data(run)) --out \(run.folder)/q --ini-c-divrs 0.15 0.3 "
                + "--lambda-max-divrs 0.15 --epochs 2 --retrain-epochs 1 --json"
            let table = try run.shell(command).json(as: Table.self)
            #expect(table.cells.map(\.cell) == ["c0.15-l0.15", "c0.3-l0.15"])
            #expect(!table.front.isEmpty)
            let source = try ModelFile.read(dense)
            for cell in table.cells {
                let model = try ModelFile.read("\(cell.run)/best.safetensors")
                #expect(model.graph == source.graph)
                let layers = try #require(try NameList.quantizedLayers.read(model.facts, path: cell.run))
                #expect(layers.count == 6)
                for node in model.graph.nodes where layers.contains(node.name) {
                    #expect(model.weightFigures(of: node)?.isTernary == true, "\(node.name)")
                }
                #expect(try run.metrics("q/\(cell.cell)").map(\.epoch) == [1, 2, 3])
                #expect((cell.figures?.sparsity ?? 0) > 5)
            }
            try Self.checkReport(of: table, run)
            // The same command needs --resume, and then has nothing left to do.
            #expect(try run.shell(command).status == 64)
            #expect(
                try run.shell("\(command) --resume").json(as: Table.self).cells.map(\.top1) == table.cells.map(\.top1))
            let other = command.replacing("--epochs 2", with: "--epochs 3")
            #expect(try run.shell("\(other) --resume").status == 64)
        }
    }

    private static func checkReport(of table: Table, _ run: SmallRun) throws {
        struct Document: Decodable {
            struct Run: Decodable {
                let name: String
                let quantized: Table.Cell.Figures?
            }
            let runs: [Run]
        }
        let page = "\(run.folder)/q.html"
        let outcome = try run.shell("$tapestry report \(run.folder)/q -o \(page) --json")
        let document = try outcome.json(as: Document.self)
        for cell in table.cells {
            let reported = try #require(document.runs.first { $0.name == cell.cell }?.quantized)
            #expect(reported.sparsity == cell.figures?.sparsity && reported.score == cell.figures?.score)
        }
        let parsed = Parsed(try String(contentsOfFile: page, encoding: .utf8))
        #expect(parsed.error == nil)
        for word in ["Quantised layers", "layer1.0.conv1", "sparsity of the quantised layers", "Entropy"] {
            #expect(parsed.text.contains(word), "\(word)")
        }
        // Six curves, three fronts, six layers of two runs, and the swatches of legend and table.
        #expect(parsed.count("svg") == 6 + 3 + 2 * 6 + 2 * 2)
        let text = try run.shell("$tapestry report \(run.folder)/q").output
        #expect(text.contains("bits a weight"))
        // A record whose epochs are of different layers.
        let edit = "sed -i '2s/layer1.0.conv1/layer9.0.conv1/' \(run.folder)/copy/metrics.jsonl"
        let damaged = try run.shell(
            "cp -r \(run.folder)/q/\(table.cells[0].cell) \(run.folder)/copy && \(edit) && $tapestry report \(run.folder)/copy"
        )
        #expect(damaged.status == 65)
        #expect(damaged.errors.contains("other quantised layers"))
    }

    /// Killed in either phase and resumed, a run ends with the bits of one that was left alone.
    @Test(arguments: ["", "--corrected --centroids kmeans", "--prune fc --set test-every=2"])
    func killedAndResumedIsBitIdentical(options: String) throws {
        try SmallRun.with { run throws in
            let dense = try Self.trained(run)
            let command =
                "$tapestry quantize \(dense) \(Self.data(run)) --ini-c-divrs 0.3 --lambda-max-divrs 0.15 --epochs 3 "
                + "--retrain-epochs 3 \(options)"
            #expect(try run.shell("\(command) --out \(run.folder)/whole").status == 0)
            var random = RandomStream(seed: UInt64.random(in: 0...UInt64.max), purpose: .test)
            for _ in 0..<6 {
                let outcome = try run.shell(
                    """
                    state=\(run.folder)/cut/state.safetensors; before=$(stat -c %y $state 2>/dev/null)
                    \(command) --resume --out \(run.folder)/cut & pid=$!
                    while kill -0 $pid 2>/dev/null && [ "$(stat -c %y $state 2>/dev/null)" = "$before" ]; do sleep 0.01; done
                    sleep 0.\(String(1000 + random.integer(below: 300)).dropFirst()); kill -KILL $pid 2>/dev/null; wait $pid
                    """)
                if outcome.status == 0 { break }
                #expect(outcome.status == 137, "\(outcome.errors)")
            }
            #expect(try run.shell("\(command) --resume --out \(run.folder)/cut").status == 0)
            for file in ["last.safetensors", "best.safetensors"] {
                #expect(try run.digest("whole/\(file)") == run.digest("cut/\(file)"))
            }
            #expect(try run.metrics("whole") == run.metrics("cut"))
        }
    }

    /// Pruned after it was ternarized, and retrained: what was quantised before is untouched.
    @Test func whatIsQuantisedStays() throws {
        try SmallRun.with { run throws in
            let dense = try Self.trained(run)
            let short = "--ini-c-divrs 0.3 --lambda-max-divrs 0.15 --epochs 1 --retrain-epochs 0"
            #expect(
                try run.shell("$tapestry quantize \(dense) \(Self.data(run)) \(short) --out \(run.folder)/q").status
                    == 0)
            let ternary = "\(run.folder)/q/best.safetensors"
            let again = try run.shell("$tapestry quantize \(ternary) \(Self.data(run)) \(short) --out \(run.folder)/no")
            #expect(again.status == 64)
            #expect(again.errors.contains("quantised already"))
            let pruning = try run.shell(
                "$tapestry quantize \(ternary) \(Self.data(run)) \(short) --prune fc --out \(run.folder)/p")
            #expect(pruning.status == 0, "\(pruning.errors)")
            let pruned = "\(run.folder)/p/best.safetensors"
            let retraining = try run.shell(
                "$tapestry retrain \(pruned) \(Self.data(run)) --epochs 1 --lrs 1e-3 1e-2 --out \(run.folder)/r")
            #expect(retraining.status == 0, "\(retraining.errors)")
            let models = try [ternary, pruned, "\(run.folder)/r/lr0.001/last.safetensors"].map {
                try ModelFile.read($0)
            }
            let layers = try #require(try NameList.quantizedLayers.read(models[0].facts, path: ternary))
            func weights(_ model: Model, of layers: [String]) -> [String: Tensor<Float>] {
                model.weights.tensors.filter { name, _ in layers.contains { name.hasPrefix("\($0).") } }
            }
            #expect(!weights(models[0], of: layers).isEmpty)
            #expect(weights(models[0], of: layers) == weights(models[1], of: layers))
            #expect(weights(models[1], of: layers) == weights(models[2], of: layers))
            // The linear layer has zeros, more than two values, and is left alone from then on.
            let linear = try #require(
                models[1].graph.nodes.last { if case .linear = $0.operation { true } else { false } })
            let figures = try #require(models[1].weightFigures(of: linear))
            #expect(!figures.isTernary && figures.nonzeros < figures.count)
            let name = "\(linear.name).weight"
            #expect(models[1].weights.tensors[name] == models[2].weights.tensors[name])
            #expect(
                models[1].weights.tensors["\(linear.name).bias"] != models[2].weights.tensors["\(linear.name).bias"])
        }
    }

    @Test func scalingStopsAtTheTarget() throws {
        try SmallRun.with { run throws in
            struct Row: Decodable {
                let cell: String
                let parameters, epochs: Int
                let reached_target: Bool?
            }
            let command =
                "$tapestry scale --grid 0.14,0.3 0.14,0.6 --phi 1 \(Self.data(run)) --epochs 2 --json"
            let rows = try run.shell("\(command) --out \(run.folder)/s").json(as: [Row].self)
            #expect(rows.map(\.cell) == ["a0.14-b0.3", "a0.14-b0.6"])
            #expect(rows[0].parameters < rows[1].parameters)
            #expect(rows.map(\.epochs) == [2, 2])
            let easy = try run.shell("\(command) --out \(run.folder)/t --target-accuracy 0.01").json(as: [Row].self)
            #expect(easy.map(\.epochs) == [1])
            #expect(easy[0].reached_target == true)
        }
    }

    @Test(arguments: [
        ("quantize m.safetensors --data d --resume", "--resume needs --out"),
        ("quantize --data d --out o", "name a model file"),
        ("quantize m.safetensors --data d --out o --published --corrected", "give one of them"),
        ("quantize m.safetensors --data d --out o --prune fc --layers x", "leave out --layers"),
        ("quantize m.safetensors --data d --out o --centroids kmeans:2", "--centroids"),
        ("quantize m.safetensors --data d --out o --ini-c-divrs 0", "above 0"),
        ("quantize m.safetensors --out o", "--data is missing"),
        ("scale --grid 1 --phi 1 --data d --out o", "--grid"), ("scale --phi 1 --data d --out o", "--grid"),
        ("retrain --data d --out o", "models"), ("retrain m --data d --out o --lr 1 --lrs 2", "give one of them"),
        ("train --arch ask/resnet8 --data d --target-accuracy 101", "at most 100"),
    ])
    func optionsThatMakeNoSense(arguments: String, reason: String) throws {
        let outcome = try Program.shell("$tapestry \(arguments)")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    }

    @Test func layersThatAreNotThere() throws {
        try SmallRun.with { run throws in
            let dense = try Self.trained(run)
            for (option, reason) in [
                ("--layers nope.*", "no such layers"), ("--prune se", "no such layers"),
                ("--prune fc 'fc*'", "quantised already"),
            ] {
                let outcome = try run.shell(
                    "$tapestry quantize \(dense) \(Self.data(run)) --out \(run.folder)/q \(option)")
                #expect(outcome.status == 64)
                #expect(outcome.errors.contains(reason))
            }
        }
    }
}
#endif
