import TapestryFormats
import TapestryRewrites

/// The runs' results and costs as an HTML table, the best of each column set off.
struct ResultsTable {
    /// A column of figures.
    private struct Column {
        let title: String
        let value: (ReportedRun) -> Double?
        let text: (ReportedRun) -> String
        /// Which value is the best; nil where none is.
        let best: (([Double]) -> Double?)?

        init(
            _ title: String, _ value: @escaping (ReportedRun) -> Double?, _ text: @escaping (ReportedRun) -> String,
            best: (([Double]) -> Double?)? = nil
        ) {
            self.title = title
            self.value = value
            self.text = text
            self.best = best
        }
    }

    private let runs: [ReportedRun]
    private let entries: [CurveSheet.Entry]

    init(_ runs: [ReportedRun], entries: [CurveSheet.Entry]) {
        self.runs = runs
        self.entries = entries
    }

    /// Columns with what stands above them.
    private static var groups: [(title: String, columns: [Column])] {
        [
            ("", [Column("epochs", { _ in nil }, \.progress)]),
            (
                "test top-1",
                [
                    Column("last", { $0.last?.top1 }, { $0.last.cell { $0.top1.percent } }, best: { $0.max() }),
                    Column("best", { $0.best?.top1 }, { $0.best.cell { $0.top1.percent } }, best: { $0.max() }),
                    Column("at", { _ in nil }, { $0.best.cell { "\($0.epoch)" } }),
                ]
            ),
            (
                "last five evaluations",
                [
                    Column(
                        "max", { $0.lastFive?.maximumTop1 },
                        { $0.lastFive.cell { $0.maximumTop1.percent + $0.mark } }, best: { $0.max() }),
                    Column(
                        "mean", { $0.lastFive?.meanTop1 }, { $0.lastFive.cell { $0.meanTop1.percent } },
                        best: { $0.max() }),
                    Column(
                        "loss", { $0.lastFive?.meanLoss }, { $0.lastFive.cell { $0.meanLoss.decimals(4) } },
                        best: { $0.min() }),
                ]
            ),
            ("training", [Column("loss", { $0.trainLoss }, { $0.trainLoss.cell { $0.decimals(4) } })]),
            (
                "network",
                [
                    Column(
                        "parameters", { $0.network.map { Double($0.count.parameters) } },
                        { $0.network.cell { $0.count.parameters.grouped } }, best: { $0.min() }),
                    Column(
                        "multiply-adds", { $0.network.map { Double($0.count.macs) } },
                        { $0.network.cell { $0.count.macs.grouped } }, best: { $0.min() }),
                ]
            ),
            (
                "time",
                [
                    Column("images/s", { $0.imagesPerSecond }, { $0.imagesPerSecond.cell(\.groupedWhole) }),
                    Column("training", { _ in nil }, { ProgressBar.duration($0.trainSeconds) }),
                    Column("evaluation", { _ in nil }, { ProgressBar.duration($0.testSeconds) }),
                ]
            ),
        ]
    }

    var html: String {
        let columns = Self.groups.flatMap(\.columns)
        let bests = columns.map { column -> Double? in
            let values = runs.compactMap(column.value)
            // Where all are the same, none stands out.
            return Set(values).count > 1 ? column.best?(values) : nil
        }
        let rows = zip(runs, entries).map { run, entry in
            let cells = zip(columns, bests).map { column, best in
                let isBest = best != nil && column.value(run) == best
                return "<td class=\"\(isBest ? "n best" : "n")\">\(Markup.escaped(column.text(run)))</td>"
            }
            return "<tr><td>\(ReportPage.swatch(entry.style))<b>\(Markup.escaped(run.name))</b></td>"
                + "<td>\(Markup.escaped(run.record.architecture))<br /><span>\(Markup.escaped(run.method))</span></td>"
                + "\(cells.joined())</tr>\n"
        }
        return
            "<div class=\"scroll\"><table class=\"results\">\n\(head)<tbody>\n\(rows.joined())</tbody>\n</table></div>\n"
    }

    private var head: String {
        let groups = Self.groups.map {
            "<th colspan=\"\($0.columns.count)\">\($0.title.isEmpty ? "" : "<div>\($0.title)</div>")</th>"
        }.joined()
        let titles = Self.groups.flatMap(\.columns).map { "<th class=\"n\">\($0.title)</th>" }.joined()
        return "<thead>\n<tr class=\"groups\"><th colspan=\"2\"></th>\(groups)</tr>\n"
            + "<tr><th>run</th><th>network</th>\(titles)</tr>\n</thead>\n"
    }
}
