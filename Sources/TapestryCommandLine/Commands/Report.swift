import ArgumentParser
import TapestryFormats

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Compare training runs: a table, curves, and what differs between them.",
        usage: "tapestry report RUN... [-o report.html|curves.svg] [--json]",
        discussion: """
            RUN is the folder of a run, or a folder that holds some. The figures "of 5" are the highest and mean top-1 \
            and the mean loss of the last five evaluations, which depend less on chance than the last one.

            Examples:
              tapestry report runs/a runs/b
              tapestry report runs -o report.html
              tapestry report runs -o curves.svg
              tapestry report runs --json | jq '.runs[] | {name, best: .best.top1}'
            """)

    /// What `--output` may be.
    private enum Form: String, CaseIterable {
        case html, svg
    }

    @Argument(help: "Folders of runs, or folders that hold some.", completion: .directory)
    var runs: [String]

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Write the report as one HTML file, or the curves as one SVG file.", valueName: "file.html|file.svg"),
        completion: .file(extensions: ["html", "svg"]))
    var output: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        let form = try output.map(Self.form)
        let report = try RunReport(of: runs)
        if let output, let form {
            switch form {
            case .html: try AtomicFile.write(ReportPage(report).html, to: output)
            case .svg: try AtomicFile.write(CurveSheet(report.runs).document, to: output)
            }
            Console.note("wrote \(output)")
        }
        try json ? Console.printJSON(report) : Console.print(report.text)
    }

    private static func form(of path: String) throws -> Form {
        let parts = path.split(separator: ".")
        guard parts.count > 1, let form = parts.last.flatMap({ Form(rawValue: $0.lowercased()) }) else {
            throw CommandFailure(.usage, "--output \(path): expected a name that ends in .html or .svg")
        }
        return form
    }
}
