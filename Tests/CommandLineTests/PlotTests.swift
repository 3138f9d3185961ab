import Testing
import TapestryCommandLine

@Suite("Axes of plots") struct PlotAxisTests {
    @Test(
        arguments: [
            ([10.2, 91.4], ["0", "20", "40", "60", "80", "100"]),
            ([0.31, 0.52], ["0.30", "0.35", "0.40", "0.45", "0.50", "0.55"]),
            ([0, 0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            ([5, 5], ["4.4", "4.6", "4.8", "5.0", "5.2", "5.4", "5.6"]),
            ([0, 1e7], ["0", "2e+06", "4e+06", "6e+06", "8e+06", "1e+07"]),
            ([], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ] as [([Double], [String])])
    func linearTicksAreRound(values: [Double], labels: [String]) {
        let axis = PlotAxis(linear: values)
        #expect(axis.ticks.map(\.label) == labels)
        #expect(axis.position(of: axis.lower) == 0 && axis.position(of: axis.upper) == 1)
        #expect(values.allSatisfy { axis.lower <= $0 && $0 <= axis.upper })
    }

    @Test(
        arguments: [
            ([0.001, 0.1], ["0.001", "0.01", "0.1"]), ([0.0015, 0.1], ["0.001", "0.01", "0.1"]),
            ([0.1], ["0.1", "1"]), ([1e-12, 1], ["1e-12", "1e-10", "1e-08", "1e-06", "0.0001", "0.01", "1"]),
        ] as [([Double], [String])])
    func decadesAreMarked(values: [Double], labels: [String]) {
        let axis = PlotAxis(logarithmic: values)
        #expect(axis.ticks.map(\.label) == labels)
        #expect(values.allSatisfy { (-1e-9...(1 + 1e-9)).contains(axis.position(of: $0)) })
        #expect(abs(axis.position(of: (axis.lower * axis.upper).squareRoot()) - 0.5) < 1e-9)
    }

    @Test(
        arguments: [
            (1...1, ["1"]), (1...2, ["1", "2"]), (1...5, ["1", "2", "3", "4", "5"]),
            (1...12, ["2", "4", "6", "8", "10", "12"]),
            (1...160, ["20", "40", "60", "80", "100", "120", "140", "160"]),
            (1...12_000, ["2,000", "4,000", "6,000", "8,000", "10,000", "12,000"]),
        ])
    func epochsAreWholeNumbers(range: ClosedRange<Int>, labels: [String]) {
        let axis = PlotAxis(epochs: range)
        #expect(axis.ticks.map(\.label) == labels)
        #expect(axis.position(of: Double(range.lowerBound)) >= 0 && axis.position(of: Double(range.upperBound)) <= 1)
    }

    /// Figures as a hostile record may hold them end in finite places and few marks.
    @Test(arguments: [
        [0, 9.9e14], [1e-300, 2e-300], [1, 1.0000000000000002], [9e14, 9.1e14], [.leastNonzeroMagnitude, 9e14],
    ])
    func anyFiguresGiveFewMarks(values: [Double]) {
        for axis in [PlotAxis(linear: values)] + (values.allSatisfy { $0 > 0 } ? [PlotAxis(logarithmic: values)] : []) {
            #expect((2...12).contains(axis.ticks.count))
            #expect((values + axis.ticks.map(\.value)).allSatisfy { axis.position(of: $0).isFinite })
        }
    }
}

@Suite("Names and markup of reports") struct ReportTextTests {
    @Test(
        arguments: [
            (["runs/a", "runs/b"], ["a", "b"]), (["runs/a"], ["a"]), (["/x/r/a/1", "/x/r/b/1"], ["a/1", "b/1"]),
            (["a", "r/a"], ["a", "r/a"]), (["r", "r/a"], ["r", "r/a"]), ([], []), (["."], ["."]),
        ])
    func namesAreShortAndDistinct(paths: [String], names: [String]) { #expect(RunFinder.names(of: paths) == names) }

    @Test(
        arguments: [
            ("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&#39;"), ("x\u{0}\u{1B}\u{85}y", "x\u{FFFD}\u{FFFD}\u{FFFD}y"),
            ("line\nend\t", "line end "), ("日本 🎉", "日本 🎉"), ("\u{FFFE}", "\u{FFFD}"),
        ])
    func textIsEscaped(text: String, escaped: String) { #expect(Markup.escaped(text) == escaped) }

    @Test func tablesCommandNoTerminal() {
        var table = Table(("name", .left))
        table.append("a\u{1B}[2Jb\nc")
        #expect(table.text == "name\n────────\na\u{FFFD}[2Jb\u{FFFD}c\n")
    }
}
