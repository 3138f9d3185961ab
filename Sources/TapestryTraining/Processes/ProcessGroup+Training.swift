import Foundation
import TapestryCore
import TapestryData
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

    /// One number of each process, by rank.
    func gathered(_ own: Double) throws(TorchError) -> [Double] {
        try reduced((0..<size).map { $0 == rank ? own : 0 })
    }
}
