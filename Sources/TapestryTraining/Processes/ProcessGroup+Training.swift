import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTorch

extension ProcessGroup {
    /// Whether this is the process that reads and writes the run's folder, and reports.
    public var isFirst: Bool { rank == 0 }

    /// Which images are this process's.
    var sampler: Sampler { Sampler(rank: rank, worldSize: size) }

    /// The value that rank 0 has, in all processes. Others need not have made one.
    package func broadcast<Value: Codable>(_ value: Value?) throws -> Value {
        let own = try isFirst ? JSONEncoder().encode(value) : Data()
        let bytes = try broadcast(Array(own))
        return try JSONDecoder().decode(Value.self, from: Data(bytes))
    }

    /// Whether any process says so.
    func any(_ own: Bool) throws(TorchError) -> Bool { try reduced([own ? 1 : 0])[0] > 0 }

    /// Of the nodes that processes name, the first of the graph; its output where none names one.
    func first(_ own: String?, in graph: Graph) throws(TorchError) -> String {
        let place = graph.nodes.firstIndex { $0.name == own } ?? graph.nodes.count
        let least = Int(try reduced([Double(place)], by: .minimum)[0])
        return least < graph.nodes.count ? graph.nodes[least].name : graph.outputName
    }
}

extension UnreadableImages {
    /// Counts those of a batch at once, or in a group keeps them until `exchange`.
    func take(_ images: [UnreadableImage], in group: ProcessGroup?) throws(FormatError) {
        if group == nil { try add(images) } else { keep(images) }
    }

    /// Counts what all processes have kept, each image under the first rank that names it. All of them call it, and all
    /// throw the same `FormatError` for the first image beyond the limit.
    func exchange(in group: ProcessGroup) throws {
        let own = try kept.isEmpty ? Data() : JSONEncoder().encode(kept)
        var all: [UnreadableImage] = []
        for (rank, bytes) in try group.gathered(Array(own)).enumerated() where !bytes.isEmpty {
            for var image in try JSONDecoder().decode([UnreadableImage].self, from: Data(bytes)) {
                image.rank = rank
                all.append(image)
            }
        }
        try add(all)
    }
}
