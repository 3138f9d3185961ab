import TapestryFormats

/// The curves of some runs: four plots that share their colours, and two more where runs quantise.
struct CurveSheet {
    /// A run's name beside its colour.
    struct Entry {
        let name: String
        let detail: String
        let style: Int
    }

    /// Empty where no epoch of any run has ended.
    private(set) var plots: [CurvePlot]
    let entries: [Entry]

    init(_ runs: [ReportedRun]) {
        // In each other's colours beyond what there are.
        let styled = runs.enumerated().map { (run: $1, style: $0 % CurveStyle.count) }
        entries = styled.map { run, style in
            Entry(name: run.name, detail: "\(run.record.architecture) \(run.method)", style: style)
        }
        let marked = runs.flatMap { $0.trainings.map(\.epoch) + $0.evaluations.map(\.epoch) }
        guard let first = marked.min(), let last = marked.max() else {
            plots = []
            return
        }
        func plot(
            _ title: String, isLogarithmic: Bool = false, text: @escaping (Double) -> String,
            _ points: (ReportedRun) -> [CurvePlot.Point], highlight: (ReportedRun) -> Int? = { _ in nil }
        ) -> CurvePlot {
            CurvePlot(
                title,
                curves: styled.map { run, style in
                    CurvePlot.Curve(name: run.name, style: style, points: points(run), highlight: highlight(run))
                }, epochs: first...last, isLogarithmic: isLogarithmic, text: text)
        }
        plots = [
            plot("Top-1 on the test images, %", text: \.percent) { run in
                run.evaluations.map { .init(epoch: $0.epoch, value: $0.top1) }
            } highlight: {
                $0.best?.epoch
            },
            plot("Loss on the test images", text: { $0.decimals(4) }) { run in
                run.evaluations.map { .init(epoch: $0.epoch, value: $0.loss) }
            },
            plot("Loss on the training images", text: { $0.decimals(4) }) { run in
                run.trainings.map { .init(epoch: $0.epoch, value: $0.loss) }
            },
            plot(
                "Learning rate", isLogarithmic: Self.movesByFactors(runs), text: { $0.significant(4) }
            ) { run in run.trainings.map { .init(epoch: $0.epoch, value: $0.learningRate) } },
        ]
        guard runs.contains(where: { $0.quantized != nil }) else { return }
        plots += [
            plot("Zeros among the quantised weights, %", text: \.percent) { run in
                run.quantized?.epochs.map { .init(epoch: $0.epoch, value: $0.sparsity) } ?? []
            },
            plot("Entropy, bits a quantised weight", text: { $0.decimals(3) }) { run in
                run.quantized?.epochs.map { .init(epoch: $0.epoch, value: $0.entropy) } ?? []
            },
        ]
    }

    /// Whether the rates stay the same most of the time and come to differ much, so that decades show them best.
    private static func movesByFactors(_ runs: [ReportedRun]) -> Bool {
        let rates = runs.map { $0.trainings.map(\.learningRate) }
        guard let least = rates.joined().min(), let greatest = rates.joined().max(), least > 0 else { return false }
        let moves = rates.reduce(0) { $0 + zip($1, $1.dropFirst()).filter { $0 != $1 }.count }
        return greatest / least >= 20 && 2 * moves <= rates.joined().count
    }
}

// MARK: - As a file of its own

extension CurveSheet {
    private static let margin = 16.0
    private static let rowHeight = 22.0
    /// Of a letter of the legend, generously.
    private static let letterWidth = 7.5

    /// A whole SVG document: the legend, and the plots in two columns.
    var document: String {
        let width = 2 * CurvePlot.width + 3 * Self.margin
        let (legend, legendHeight) = legend(width: width - 2 * Self.margin)
        var body = legend
        for (index, plot) in plots.enumerated() {
            let x = Self.margin + Double(index % 2) * (CurvePlot.width + Self.margin)
            let y = legendHeight + Self.margin + Double(index / 2) * (CurvePlot.height + Self.margin)
            body += "<g transform=\"translate(\(Markup.number(x)) \(Markup.number(y)))\">\n\(plot.svg)</g>\n"
        }
        let rows = Double((plots.count + 1) / 2)
        var height = legendHeight + Self.margin + rows * (CurvePlot.height + Self.margin)
        if plots.isEmpty {
            body += Markup.label(Self.nothingYet, x: Self.margin, y: height + 8, class: "title")
            height += 2 * Self.rowHeight
        }
        let size = "width=\"\(Markup.number(width))\" height=\"\(Markup.number(height))\""
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" \(size) viewBox="0 0 \(Markup.number(width)) \(Markup.number(height))">
            <title>\(Markup.escaped("Curves of \(entries.map(\.name).joined(separator: ", "))"))</title>
            <style>
            \(CurveStyle.css(curves: entries.count, page: true))</style>
            <rect class="page" \(size) />
            \(body)</svg>

            """
    }

    static let nothingYet = "No epoch has ended yet."

    /// The runs' names in rows, and the height of these.
    private func legend(width: Double) -> (svg: String, height: Double) {
        var svg = ""
        var (x, y) = (0.0, Self.rowHeight)
        for entry in entries {
            let shown = entry.name.count > 60 ? "…\(entry.name.suffix(59))" : entry.name
            let needed = 34 + Double(shown.displayWidth) * Self.letterWidth + 22
            if x > 0, x + needed > width { (x, y) = (0, y + Self.rowHeight) }
            let left = Self.margin + x
            svg += Self.swatch(entry.style, x: left, y: y - 4)
            svg += Markup.label(shown, x: left + 34, y: y, class: "name")
            x += needed
        }
        return (svg, y + 8)
    }

    /// A piece of a run's curve, 26 wide.
    static func swatch(_ style: Int, x: Double, y: Double) -> String {
        let (start, end, height) = (Markup.number(x), Markup.number(x + 26), Markup.number(y))
        return "<path class=\"curve s\(style)\" d=\"M\(start) \(height)L\(end) \(height)\" />\n"
    }
}
