import TapestryCommandLine
import TapestryFormats
import TapestryRecipes
import TapestryRewrites

/// What a run of a grid came to.
struct GridRow: Encodable {
    let run: String
    let what: String
    let parameters: Int
    let macs: Int
    /// Of the best epoch, in per cent.
    let top1: Double
    let epoch: Int
    /// Epochs done.
    let epochs: Int
    let reachedTarget: Bool?

    init(_ result: RunGrid.Result) throws {
        let count = try Count(ModelFile.readGraph(result.folder.best))
        run = result.folder.path
        what = result.cell.name
        parameters = count.parameters
        macs = count.macs
        top1 = result.top1
        epoch = result.best.epoch
        epochs = result.last.epoch
        reachedTarget = result.cell.configuration.recipe.targetAccuracy.map { _ in result.hasReachedTarget }
    }

    enum CodingKeys: String, CodingKey {
        case run, parameters, macs, top1, epoch, epochs
        case what = "cell"
        case reachedTarget = "reached_target"
    }
}

/// The runs of a grid.
struct GridTable {
    private let rows: [GridRow]
    private let what: String

    init(_ rows: [GridRow], what: String) {
        self.rows = rows
        self.what = what
    }

    func print(json: Bool) throws {
        if json { return try Console.printJSON(rows) }
        var table = Table(
            (what, .left), ("parameters", .right), ("multiply-adds", .right), ("top-1", .right), ("at", .right),
            ("of", .right), ("model", .left))
        for row in rows {
            table.append(
                row.what, row.parameters.grouped, row.macs.grouped, row.top1.percent, "\(row.epoch)", "\(row.epochs)",
                RunFolder(path: row.run).best)
        }
        let target = rows.last?.reachedTarget.map { $0 ? "The target was reached.\n" : "The target was not reached.\n" }
        try Console.print(table.text + (target ?? ""))
    }
}
