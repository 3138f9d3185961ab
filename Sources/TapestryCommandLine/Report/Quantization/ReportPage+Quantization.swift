import TapestryFormats

extension ReportPage {
    /// The quantised runs: what they cost beside what they know, and each one's layers over the epochs.
    func quantization(of runs: [ReportedRun], entries: [CurveSheet.Entry]) -> String {
        let quantized = zip(runs, entries).filter { $0.0.quantized != nil }
        return front(quantized.map { ($0.0, $0.1) })
            + quantized.map { run, _ in layers(of: run, isOpen: quantized.count == 1) }.joined()
            + note(
                "For each layer, above: the shares of the negative value (lowest), zero and the positive value; below: the"
                    + " values. From the upright line on the assignment stands still.")
    }

    private func front(_ runs: [(run: ReportedRun, entry: CurveSheet.Entry)]) -> String {
        let all = runs.map(\.run)
        guard runs.count > 1 else { return "" }
        func plot(
            _ title: String, _ value: (QuantizedFigures) -> Double, text: @escaping (Double) -> String
        ) -> String {
            let points = runs.compactMap { run, entry -> FrontPlot.Point? in
                guard let figures = run.quantized?.best, let top1 = run.best?.top1 else { return nil }
                return FrontPlot.Point(
                    name: run.name, style: entry.style, x: value(figures), top1: top1, isOnFront: all.isOnFront(run))
            }
            return figure(FrontPlot(title, points, text: text).svg, title, CurvePlot.width, CurvePlot.height)
        }
        return "<div class=\"plots\">\n"
            + plot("sparsity of the quantised layers, %", \.sparsity, text: \.percent)
            + plot("bytes of the model", \.bytes, text: { "\($0.groupedWhole) bytes" })
            + plot("MicroNet score", \.score, text: { "a score of \($0.significant(4))" }) + "</div>\n"
            + note("A ring is around a run than which none is better in accuracy, sparsity, size and score at once.")
    }

    private func layers(of run: ReportedRun, isOpen: Bool) -> String {
        guard let quantized = run.quantized, let last = quantized.epochs.last else { return "" }
        let panels = last.layers.indices.map { index in
            let panel = LayerPanel(quantized, layer: index)
            return figure(panel.svg, panel.name, LayerPanel.width, LayerPanel.height)
        }
        let figures = quantized.best.map {
            "; best model \($0.bytes.groupedWhole) bytes, score \($0.score.significant(4))"
        }
        return "<details\(isOpen ? " open=\"open\"" : "")>\n<summary><b>\(Markup.escaped(run.name))</b>"
            + " <span>\(last.sparsity.percent) zeros, \(last.entropy.decimals(3)) bits a weight\(figures ?? "")</span></summary>\n"
            + "<div class=\"layers\">\n\(panels.joined())</div>\n</details>\n"
    }

    private func figure(_ svg: String, _ title: String, _ width: Double, _ height: Double) -> String {
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"\(Markup.escaped(title))\""
            + " viewBox=\"0 0 \(Markup.number(width)) \(Markup.number(height))\">\n\(svg)</svg>\n"
    }
}
