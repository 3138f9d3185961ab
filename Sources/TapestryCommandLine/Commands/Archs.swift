import ArgumentParser
import TapestryMethods
import TapestryRewrites

struct Archs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archs",
        abstract: "List the networks, with parameters and multiply-adds at their defaults.",
        discussion: """
            Examples:
              tapestry archs
              tapestry archs --json | jq -r '.[].name'

            Depths between the listed ones exist too: ask/resnet44 is one of the ResNets of depth 6n+2.
            """)

    @Flag(help: "Print one JSON document.")
    var json = false

    private struct Row: Encodable {
        let name: String
        let summary: String
        let parameters: Int
        let macs: Int
    }

    func run() throws {
        let rows = try Zoo.listed.map { architecture in
            let count = try Count(try architecture.graph())
            return Row(
                name: architecture.name, summary: architecture.summary, parameters: count.parameters, macs: count.macs)
        }
        if json { return try Console.printJSON(rows) }
        var table = Table(("network", .left), ("parameters", .right), ("multiply-adds", .right), ("", .left))
        for row in rows { table.append(row.name, row.parameters.grouped, row.macs.grouped, row.summary) }
        try Console.print(table.text)
    }
}
