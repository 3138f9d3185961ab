/// How curves look: a colour and a dash for each, in light and in dark surroundings.
enum CurveStyle {
    /// Of one lightness each, and in an order in which neighbours are told apart by those too who see fewer colours.
    private static let light = [
        "#2166c0", "#d0620a", "#23845a", "#7e4fc4", "#c42f4e", "#0c8598", "#9a7608", "#78685c",
    ]
    private static let dark = [
        "#78aefc", "#f2a35c", "#69c999", "#b99cf2", "#f28a9a", "#5ec6d6", "#d8c25c", "#bcaea4",
    ]
    private static let dashes = ["", "7 4", "2 3", "9 3 2 3"]

    /// Of the panels of quantised layers, whatever the number of curves.
    private static let areaStyles = 8

    /// Styles that differ.
    static let count = light.count * dashes.count

    /// The rules for plots of so many curves; with `page`, those for the surroundings of a plot that stands alone, too.
    ///
    /// Written without variables, which not every program that shows SVG knows.
    static func css(curves: Int, page: Bool) -> String {
        let used = 0..<min(count, max(curves, areaStyles))
        return """
            text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1d2125; }
            .title { font-weight: 600; font-size: 14px; }
            .tick { fill: #5d666f; font-size: 12px; }
            .left { text-anchor: end; }
            .below { text-anchor: middle; }
            .grid { stroke: #e4e7ea; stroke-width: 1; }
            .axis { stroke: #98a1aa; stroke-width: 1; }
            .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
            .ring { stroke-width: 2; fill: #ffffff; }
            .area { stroke: none; fill-opacity: 0.55; }
            \(page ? ".page { fill: #ffffff; }\n" : "")\(colors(used, of: light, dashed: true))@media (prefers-color-scheme: dark) {
            text { fill: #e3e6e9; }
            .tick { fill: #a2abb4; }
            .grid { stroke: #2d3338; }
            .axis { stroke: #6d7780; }
            .ring { fill: #15181b; }
            \(page ? ".page { fill: #15181b; }\n" : "")\(colors(used, of: dark, dashed: false))}

            """
    }

    private static func colors(_ styles: Range<Int>, of colors: [String], dashed: Bool) -> String {
        styles.map { style in
            let (color, dash) = (colors[style % colors.count], dashes[style / colors.count])
            return ".s\(style) { stroke: \(color); }\n.dot.s\(style), .a\(style) { fill: \(color); }\n"
                + (dashed && !dash.isEmpty ? ".curve.s\(style) { stroke-dasharray: \(dash); }\n" : "")
        }.joined()
    }
}
