/// A plot of one figure over the epochs of some runs, as an SVG fragment.
struct CurvePlot {
    struct Point {
        let epoch: Int
        let value: Double
    }

    struct Curve {
        let name: String
        /// Which of the sheet's colours and dashes it has: the same in every plot.
        let style: Int
        /// By epoch.
        let points: [Point]
        /// The epoch to put a ring around.
        var highlight: Int?
    }

    static let width = 560.0
    static let height = 300.0
    private static let plot = (left: 58.0, top: 36.0, right: 546.0, bottom: 258.0)
    /// Curves of more points than this get no mark at each.
    private static let mostMarks = 60

    let title: String
    let curves: [Curve]
    private let epochs: PlotAxis
    private let values: PlotAxis
    /// A value as the tooltips have it.
    private let text: (Double) -> String

    init(
        _ title: String, curves: [Curve], epochs: ClosedRange<Int>, isLogarithmic: Bool = false,
        text: @escaping (Double) -> String
    ) {
        self.title = title
        self.curves = curves
        self.text = text
        self.epochs = PlotAxis(epochs: epochs)
        let all = curves.flatMap { $0.points.map(\.value) }
        values = isLogarithmic ? PlotAxis(logarithmic: all) : PlotAxis(linear: all)
    }

    /// The plot's elements, from (0, 0) to (`width`, `height`).
    var svg: String {
        Markup.label(title, x: Self.plot.left, y: 20, class: "title") + grid + curves.map(line).joined()
            + curves.map(marks).joined()
    }

    private func x(_ epoch: Double) -> Double {
        Self.plot.left + epochs.position(of: epoch) * (Self.plot.right - Self.plot.left)
    }

    private func y(_ value: Double) -> Double {
        Self.plot.bottom - values.position(of: value) * (Self.plot.bottom - Self.plot.top)
    }

    private var grid: String {
        var lines = ""
        for tick in values.ticks {
            let height = Markup.number(y(tick.value))
            lines +=
                "<line class=\"grid\" x1=\"\(Markup.number(Self.plot.left))\" x2=\"\(Markup.number(Self.plot.right))\""
                + " y1=\"\(height)\" y2=\"\(height)\" />\n"
            lines += Markup.label(tick.label, x: Self.plot.left - 8, y: y(tick.value) + 4, class: "tick left")
        }
        let (bottom, end) = (Markup.number(Self.plot.bottom), Markup.number(Self.plot.bottom + 5))
        lines +=
            "<line class=\"axis\" x1=\"\(Markup.number(Self.plot.left))\" x2=\"\(Markup.number(Self.plot.right))\""
            + " y1=\"\(bottom)\" y2=\"\(bottom)\" />\n"
        for tick in epochs.ticks {
            let place = Markup.number(x(tick.value))
            lines += "<line class=\"axis\" x1=\"\(place)\" x2=\"\(place)\" y1=\"\(bottom)\" y2=\"\(end)\" />\n"
            lines += Markup.label(tick.label, x: x(tick.value), y: Self.plot.bottom + 19, class: "tick below")
        }
        return lines
            + Markup.label(
                "epoch", x: (Self.plot.left + Self.plot.right) / 2, y: Self.plot.bottom + 36, class: "tick below")
    }

    private func line(_ curve: Curve) -> String {
        guard curve.points.count > 1 else { return "" }
        let points = Self.thinned(curve.points, to: Int(Self.plot.right - Self.plot.left)).map {
            "\(Markup.number(x(Double($0.epoch)))) \(Markup.number(y($0.value)))"
        }
        return "<path class=\"curve s\(curve.style)\" d=\"M\(points.joined(separator: "L"))\" />\n"
    }

    /// Dots where they are few, and a ring, each with what it stands for as a tooltip.
    private func marks(_ curve: Curve) -> String {
        let showsAll = curve.points.count <= Self.mostMarks
        return curve.points.map { point in
            let isHighlight = point.epoch == curve.highlight
            guard showsAll || isHighlight else { return "" }
            return
                "<circle class=\"\(isHighlight ? "ring" : "dot") s\(curve.style)\" r=\"\(isHighlight ? "4" : "2.4")\""
                + " cx=\"\(Markup.number(x(Double(point.epoch))))\" cy=\"\(Markup.number(y(point.value)))\">"
                + "<title>\(Markup.escaped("\(curve.name), epoch \(point.epoch): \(text(point.value))"))</title></circle>\n"
        }.joined()
    }

    /// No more points than can be told apart in so many columns of pixels: of each column the first, the last, the lowest
    /// and the highest.
    private static func thinned(_ points: [Point], to columns: Int) -> [Point] {
        guard points.count > 4 * columns else { return points }
        let size = (points.count + columns - 1) / columns
        return stride(from: 0, to: points.count, by: size).flatMap { start -> [Point] in
            let indices = start..<min(start + size, points.count)
            let lowest = indices.min { points[$0].value < points[$1].value } ?? start
            let highest = indices.max { points[$0].value < points[$1].value } ?? start
            return Set([start, lowest, highest, indices.upperBound - 1]).sorted().map { points[$0] }
        }
    }
}
