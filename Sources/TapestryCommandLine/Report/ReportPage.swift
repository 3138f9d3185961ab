import TapestryCore
import TapestryRewrites

/// The report as one HTML file that opens anywhere: no scripts, and nothing from elsewhere. Its markup is XML, too.
struct ReportPage {
    private let report: RunReport
    private let sheet: CurveSheet

    private var hasQuantizedRuns: Bool { report.runs.contains { $0.quantized != nil } }

    init(_ report: RunReport) {
        self.report = report
        sheet = CurveSheet(report.runs)
    }

    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
        <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>\(Markup.escaped(title))</title>
        <style>
        \(PageStyle.css)\(CurveStyle.css(curves: sheet.entries.count, page: false))</style>
        </head>
        <body>
        <h1>\(Markup.escaped(title))</h1>
        \(section("Results", results))\
        \(section("Curves", curves))\
        \(hasQuantizedRuns ? section("Quantised layers", quantization(of: report.runs, entries: sheet.entries)) : "")\
        \(report.runs.count > 1 ? section("What differs", differences) : "")\
        \(report.networks.isEmpty ? "" : section("Networks, layer by layer", networks))\
        <footer>Made by <code>tapestry report</code>, version \(Tapestry.version).</footer>
        </body>
        </html>

        """
    }

    private var results: String {
        ResultsTable(report.runs, entries: sheet.entries).html + (report.fewerNote.map { note("\($0).") } ?? "")
    }

    private var title: String {
        report.runs.count == 1 ? "Run \(report.runs[0].name)" : "\(report.runs.count) training runs"
    }

    private func section(_ title: String, _ body: String) -> String {
        "<section>\n<h2>\(Markup.escaped(title))</h2>\n\(body)</section>\n"
    }

    func note(_ text: String) -> String { "<p class=\"note\">\(Markup.escaped(text))</p>\n" }
}

// MARK: - Curves

extension ReportPage {
    private var curves: String {
        guard !sheet.plots.isEmpty else { return note(CurveSheet.nothingYet) }
        let plots = sheet.plots.map { plot in
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"\(Markup.escaped(plot.title))\""
                + " viewBox=\"0 0 \(Markup.number(CurvePlot.width)) \(Markup.number(CurvePlot.height))\">\n"
                + "\(plot.svg)</svg>\n"
        }
        return legend + "<div class=\"plots\">\n\(plots.joined())</div>\n"
            + note("A ring is around each run's best evaluation. Point at a mark to read its value.")
    }

    private var legend: String {
        let items = sheet.entries.map { entry in
            "<li>\(Self.swatch(entry.style))<b>\(Markup.escaped(entry.name))</b>"
                + " <span>\(Markup.escaped(entry.detail))</span></li>\n"
        }
        return "<ul class=\"legend\">\n\(items.joined())</ul>\n"
    }

    /// A piece of a run's curve, in a line of text.
    static func swatch(_ style: Int) -> String {
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"swatch\" viewBox=\"0 0 26 8\">"
            + "\(CurveSheet.swatch(style, x: 0, y: 4))</svg>"
    }
}

// MARK: - Settings

extension ReportPage {
    private var differences: String {
        guard !report.differences.isEmpty else { return note("Every setting is the same in all runs.") }
        let heads = report.runs.map { "<th>\(Markup.escaped($0.name))</th>" }.joined()
        let rows = report.differences.map { difference in
            let cells = difference.values.map { "<td>\(Markup.escaped($0 ?? "–"))</td>" }.joined()
            return "<tr><th><code>\(Markup.escaped(difference.setting))</code></th>\(cells)</tr>\n"
        }
        return "<div class=\"scroll\"><table class=\"settings\">\n<thead><tr><th>setting</th>\(heads)</tr></thead>\n"
            + "<tbody>\n\(rows.joined())</tbody>\n</table></div>\n"
            + note("Settings of config.yaml that are not the same in all runs.")
    }
}

// MARK: - Networks

extension ReportPage {
    private var networks: String {
        report.networks.map { network in
            let count = network.network.count
            let runs = network.runs.map { Markup.escaped($0.name) }.joined(separator: ", ")
            return "<details\(report.networks.count == 1 ? " open=\"open\"" : "")>\n"
                + "<summary><b>\(Markup.escaped(network.title))</b> <span>\(count.parameters.grouped) parameters,"
                + " \(count.macs.grouped) multiply-adds; \(runs)</span></summary>\n\(layers(network.network))</details>\n"
        }.joined()
            + note("Layers that store or compute something. Multiply-adds are for one image; the bars compare them.")
    }

    private func layers(_ network: ReportedNetwork) -> String {
        let count = network.count
        let most = count.layers.map(\.macs).max() ?? 0
        let rows = count.layers.filter { $0.parameters > 0 || $0.macs > 0 }.map { layer in
            let width = Markup.number(100 * Double(layer.macs) / Double(max(most, 1)))
            let bar = layer.macs > 0 ? "<div style=\"width: \(width)%\"></div>" : ""
            return "<tr><td>\(Markup.escaped(layer.name))</td><td>\(Markup.escaped(layer.kind))</td>"
                + "<td class=\"n\">\(Markup.escaped(layer.output.description))</td>"
                + "<td class=\"n\">\(layer.parameters.grouped)</td><td class=\"n\">\(layer.macs.grouped)</td>"
                + "<td class=\"share\">\(bar)</td></tr>\n"
        }
        let heads =
            "<th>layer</th><th>kind</th><th class=\"n\">output</th><th class=\"n\">parameters</th>"
            + "<th class=\"n\">multiply-adds</th><th></th>"
        return "<div class=\"scroll\"><table>\n<thead><tr>\(heads)</tr></thead>\n<tbody>\n\(rows.joined())</tbody>\n"
            + "<tfoot><tr><td colspan=\"3\">total</td><td class=\"n\">\(count.parameters.grouped)</td>"
            + "<td class=\"n\">\(count.macs.grouped)</td><td></td></tr></tfoot>\n</table></div>\n"
    }
}
