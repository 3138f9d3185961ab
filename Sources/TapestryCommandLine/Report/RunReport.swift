import TapestryCore
import TapestryFormats
import TapestryRewrites

/// What `tapestry report` says of some runs.
struct RunReport {
    /// One of the networks that the runs train.
    struct DistinctNetwork {
        let network: ReportedNetwork
        let runs: [ReportedRun]

        /// Network and method of its runs, which may have come to it by several names.
        var title: String {
            var titles: [String] = []
            for run in runs {
                let title = "\(run.record.architecture) \(run.method)"
                if !titles.contains(title) { titles.append(title) }
            }
            return titles.joined(separator: ", ")
        }
    }

    let runs: [ReportedRun]
    let networks: [DistinctNetwork]
    let differences: [SettingDifference]

    /// Throws: `InputNotFound`; `ConfigurationError` and `FormatError` where a run's file is damaged.
    init(of paths: [String]) throws {
        let folders = try RunFinder.folders(in: paths)
        let names = RunFinder.names(of: folders.map(\.path))
        let runs = try zip(folders, names).map { folder, name in
            let record = try RunRecord(readingFrom: folder)
            return ReportedRun(
                name: name, record: record, network: try ReportedNetwork(of: folder),
                quantized: try QuantizedRun(record))
        }
        self.runs = runs
        var order: [Graph] = []
        var groups: [Graph: [ReportedRun]] = [:]
        for run in runs {
            guard let graph = run.network?.graph else { continue }
            if groups[graph] == nil { order.append(graph) }
            groups[graph, default: []].append(run)
        }
        networks = order.compactMap { graph in
            guard let runs = groups[graph], let network = runs[0].network else { return nil }
            return DistinctNetwork(network: network, runs: runs)
        }
        differences = SettingDifference.all(among: runs)
    }
}

// MARK: - As tables

extension RunReport {
    /// Two tables, of results and of costs: one would be wider than terminals are. A third for runs that quantise.
    var text: String { "\(results)\n\(costs)" + (quantization.map { "\n\($0)" } ?? "") }

    private var quantization: String? {
        guard runs.contains(where: { $0.quantized != nil }) else { return nil }
        var table = Table(
            ("run", .left), ("best", .right), ("layers", .right), ("weights", .right), ("sparsity", .right),
            ("bits a weight", .right), ("bytes", .right), ("score", .right), ("front", .left))
        for run in runs {
            guard let quantized = run.quantized, let last = quantized.epochs.last else { continue }
            table.append(
                run.name, run.best.cell { $0.top1.percent }, "\(last.layers.count)",
                quantized.best.cell { $0.weights.grouped }, last.sparsity.percent, last.entropy.decimals(3),
                quantized.best.cell { $0.bytes.groupedWhole }, quantized.best.cell { $0.score.significant(4) },
                runs.isOnFront(run) ? "*" : "")
        }
        return table.text
            + "sparsity and entropy of the quantised layers at the last epoch; bytes and MicroNet score of the best model;\n"
            + "*: none of these is better in accuracy, sparsity, size and score at once\n"
    }

    private var results: String {
        var table = Table(
            ("run", .left), ("network", .left), ("method", .left), ("epochs", .right), ("last", .right),
            ("best", .right), ("at", .right), ("max of 5", .right), ("mean of 5", .right), ("loss of 5", .right),
            ("train loss", .right))
        for run in runs {
            table.append(
                run.name, run.record.architecture, run.method, run.progress, run.last.cell { $0.top1.percent },
                run.best.cell { $0.top1.percent }, run.best.cell { "\($0.epoch)" },
                run.lastFive.cell { $0.maximumTop1.percent + $0.mark }, run.lastFive.cell { $0.meanTop1.percent },
                run.lastFive.cell { $0.meanLoss.decimals(4) }, run.trainLoss.cell { $0.decimals(4) })
        }
        return table.text
            + "last, best: top-1 on the test images; of 5: top-1 and loss of the last five evaluations\n"
            + (fewerNote.map { "\($0)\n" } ?? "")
    }

    private var costs: String {
        var table = Table(
            ("run", .left), ("parameters", .right), ("multiply-adds", .right), ("images/s", .right),
            ("training", .right), ("evaluation", .right))
        for run in runs {
            table.append(
                run.name, run.network.cell { $0.count.parameters.grouped }, run.network.cell { $0.count.macs.grouped },
                run.imagesPerSecond.cell(\.groupedWhole), ProgressBar.duration(run.trainSeconds),
                ProgressBar.duration(run.testSeconds))
        }
        return table.text
    }

    /// What the mark at the last five evaluations means; nil where no run has it.
    var fewerNote: String? {
        let hasFewer = runs.contains { $0.lastFive.map { !$0.mark.isEmpty } ?? false }
        return hasFewer ? "(n): of the n evaluations that the run has, fewer than five" : nil
    }
}

extension ReportedRun {
    /// Epochs done and asked for.
    var progress: String { "\(epochsDone)/\(record.epochCount)" }
}

extension ReportedRun.LastEvaluations {
    /// How many they are, where these are fewer than five.
    var mark: String { evaluations < Self.count ? " (\(evaluations))" : "" }
}

extension Optional {
    /// What a table shows of a figure that there may not be.
    func cell(_ text: (Wrapped) -> String) -> String { map(text) ?? "–" }
}
