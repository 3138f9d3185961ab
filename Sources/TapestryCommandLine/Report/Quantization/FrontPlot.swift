/// The accuracy of quantised runs against one of their costs, as an SVG fragment; those than which none is better in
/// everything are ringed.
struct FrontPlot {
    struct Point {
        let name: String
        let style: Int
        let x: Double
        let top1: Double
        let isOnFront: Bool
    }

    private static let plot = (left: 58.0, top: 36.0, right: 532.0, bottom: 258.0)

    let title: String
    private let points: [Point]
    private let horizontal: PlotAxis
    private let vertical: PlotAxis
    private let text: (Double) -> String

    init(_ title: String, _ points: [Point], text: @escaping (Double) -> String) {
        self.title = title
        self.points = points
        self.text = text
        horizontal = PlotAxis(linear: points.map(\.x))
        vertical = PlotAxis(linear: points.map(\.top1))
    }

    /// The plot's elements, from (0, 0) to `CurvePlot.width` and `CurvePlot.height`.
    var svg: String {
        var svg = Markup.label("Top-1 against \(title)", x: Self.plot.left, y: 20, class: "title")
        let (left, right) = (Markup.number(Self.plot.left), Markup.number(Self.plot.right))
        for tick in vertical.ticks {
            let height = Markup.number(y(tick.value))
            svg += "<line class=\"grid\" x1=\"\(left)\" x2=\"\(right)\" y1=\"\(height)\" y2=\"\(height)\" />\n"
            svg += Markup.label(tick.label, x: Self.plot.left - 8, y: y(tick.value) + 4, class: "tick left")
        }
        let bottom = Markup.number(Self.plot.bottom)
        svg += "<line class=\"axis\" x1=\"\(left)\" x2=\"\(right)\" y1=\"\(bottom)\" y2=\"\(bottom)\" />\n"
        for tick in horizontal.ticks {
            svg += Markup.label(tick.label, x: x(tick.value), y: Self.plot.bottom + 19, class: "tick below")
        }
        svg += Markup.label(
            title, x: (Self.plot.left + Self.plot.right) / 2, y: Self.plot.bottom + 36, class: "tick below")
        for point in points {
            let title = Markup.escaped("\(point.name): \(point.top1.percent) at \(text(point.x))")
            svg +=
                "<circle class=\"\(point.isOnFront ? "ring" : "dot") s\(point.style)\" r=\"\(point.isOnFront ? "5" : "3")\""
                + " cx=\"\(Markup.number(x(point.x)))\" cy=\"\(Markup.number(y(point.top1)))\"><title>\(title)</title></circle>\n"
        }
        return svg
    }

    private func x(_ value: Double) -> Double {
        Self.plot.left + horizontal.position(of: value) * (Self.plot.right - Self.plot.left)
    }

    private func y(_ value: Double) -> Double {
        Self.plot.bottom - vertical.position(of: value) * (Self.plot.bottom - Self.plot.top)
    }
}
