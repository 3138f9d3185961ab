import TapestryFormats

/// A quantised layer over the epochs, as an SVG fragment: above, the shares of its three values; below, the values.
struct LayerPanel {
    static let width = 270.0
    static let height = 218.0
    private static let left = 48.0
    private static let right = 262.0
    private static let shares = (top: 40.0, bottom: 118.0)
    private static let levels = (top: 130.0, bottom: 192.0)
    /// Of the negative, the zero and the positive value.
    private static let styles = [4, 7, 0]

    private let points: [(epoch: Int, figures: TernaryLayerFigures)]
    private let frozenAfter: Int?
    private let epochs: PlotAxis
    private let values: PlotAxis

    /// Precondition: there are epochs, each with the layer of that index.
    init(_ run: QuantizedRun, layer: Int) {
        points = run.epochs.map { ($0.epoch, $0.layers[layer]) }
        frozenAfter = run.frozenAfter
        epochs = PlotAxis(epochs: points[0].epoch...points[points.count - 1].epoch)
        values = PlotAxis(linear: points.flatMap { [-$0.figures.negativeLevel, 0, $0.figures.positiveLevel] })
    }

    var name: String { points[0].figures.name }

    var svg: String {
        let last = points[points.count - 1].figures
        let title = name.count > 34 ? "…\(name.suffix(33))" : name
        return Markup.label(title, x: 4, y: 15, class: "title")
            + Markup.label(
                "\(last.sparsity.decimals(1)) % zero, \(last.entropy.decimals(2)) bits of \(last.weightCount.grouped)",
                x: 4, y: 31, class: "tick")
            + areas + frozenLine + levelLines + axes
    }

    private func x(_ epoch: Int) -> Double {
        Self.left + epochs.position(of: Double(epoch)) * (Self.right - Self.left)
    }

    // MARK: Shares

    /// The three shares on top of one another, the negative value's lowest.
    private var areas: String {
        let cumulated = points.map { point in
            let total = Double(point.figures.weightCount)
            let negative = Double(point.figures.negative) / total
            return [0, negative, negative + Double(point.figures.zero) / total, 1]
        }
        func y(_ share: Double) -> Double { Self.shares.bottom - share * (Self.shares.bottom - Self.shares.top) }
        return ["negative", "zero", "positive"].indices.map { band in
            var upper: [String] = []
            var lower: [String] = []
            // One epoch alone is a bar over the whole width.
            let places =
                points.count == 1
                ? [(0, Self.left), (0, Self.right)] : points.indices.map { ($0, x(points[$0].epoch)) }
            for (index, place) in places {
                upper.append("\(Markup.number(place)) \(Markup.number(y(cumulated[index][band + 1])))")
                lower.append("\(Markup.number(place)) \(Markup.number(y(cumulated[index][band])))")
            }
            let path = "M\((upper + lower.reversed()).joined(separator: "L"))Z"
            return "<path class=\"area a\(Self.styles[band])\" d=\"\(path)\" />\n"
        }.joined()
    }

    /// Where the assignment came to stand still.
    private var frozenLine: String {
        guard let frozenAfter, let last = points.last, frozenAfter < last.epoch else { return "" }
        let place = Markup.number(x(frozenAfter))
        return "<line class=\"axis\" x1=\"\(place)\" x2=\"\(place)\" y1=\"\(Markup.number(Self.shares.top))\""
            + " y2=\"\(Markup.number(Self.levels.bottom))\"><title>the assignment stands still from here on</title></line>\n"
    }

    // MARK: Levels

    private func y(_ level: Double) -> Double {
        Self.levels.bottom - values.position(of: level) * (Self.levels.bottom - Self.levels.top)
    }

    private var levelLines: String {
        let curves: [(style: Int, name: String, value: (TernaryLayerFigures) -> Double)] = [
            (Self.styles[0], "-w_n", { -$0.negativeLevel }), (Self.styles[2], "w_p", { $0.positiveLevel }),
        ]
        return curves.map { curve in
            let places = points.map { (x($0.epoch), y(curve.value($0.figures))) }
            let line = places.map { "\(Markup.number($0.0)) \(Markup.number($0.1))" }.joined(separator: "L")
            let dots = zip(points, places).map { point, place in
                "<circle class=\"dot s\(curve.style)\" r=\"2\" cx=\"\(Markup.number(place.0))\" cy=\"\(Markup.number(place.1))\">"
                    + "<title>\(curve.name), epoch \(point.epoch): \(curve.value(point.figures).significant(4))</title></circle>\n"
            }
            let drawn = points.count <= 60 ? dots.joined() : ""
            return (points.count > 1 ? "<path class=\"curve s\(curve.style)\" d=\"M\(line)\" />\n" : "") + drawn
        }.joined()
    }

    private var axes: String {
        var svg = ""
        for (share, label) in [(0.0, "0"), (1, "100 %")] {
            let height = Self.shares.bottom - share * (Self.shares.bottom - Self.shares.top)
            svg += Markup.label(label, x: Self.left - 6, y: height + 4, class: "tick left")
        }
        for level in [values.ticks.first, values.ticks.last].compactMap({ $0 }) {
            svg += Markup.label(level.label, x: Self.left - 6, y: y(level.value) + 4, class: "tick left")
        }
        let zero = Markup.number(y(0))
        svg +=
            "<line class=\"grid\" x1=\"\(Markup.number(Self.left))\" x2=\"\(Markup.number(Self.right))\""
            + " y1=\"\(zero)\" y2=\"\(zero)\" />\n"
        let ends = Set([points[0].epoch, points[points.count - 1].epoch]).sorted()
        for epoch in ends {
            svg += Markup.label(
                ends.count == 1 ? "epoch \(epoch)" : "\(epoch)", x: x(epoch), y: Self.levels.bottom + 18,
                class: "tick below")
        }
        return svg
    }
}
