import ArgumentParser
import TapestryCore
import TapestryFormats
import TapestryRewrites

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what a checkpoint holds: each tensor's shape, type and values in figures.",
        discussion: """
            Works for safetensors, PyTorch's .pt, .pth, .pth.tar and .t7 files, and HDF5; of a Tapestry model it shows \
            the network and its facts too. Deviations are those of the population; "near zero" counts |x| <= 1e-5, zeros \
            included. A packed tensor is followed by its form and what it takes in the file. The totals say how many values are weights of convolutions, of linear layers (matrices) and of \
            batch norms, by the names of the tensors, and how many are vectors.

            Examples:
              tapestry show runs/a/best.safetensors
              tapestry show finish.hdf5
              tapestry show resnet20.pt --json | jq '.tensors[].name'
            """)

    @Argument(help: "A checkpoint of any kind.", completion: .file())
    var model: String

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        let report = try ShowReport(path: model)
        try json ? Console.printJSON(report) : Console.print(report.text)
    }
}

/// What `tapestry show` says of a file.
private struct ShowReport: Encodable {
    /// How a tensor is packed in its file.
    struct Packed: Encodable {
        let form: String
        let bytes: Int
    }

    struct Row: Encodable {
        let name: String
        let shape: [Int]
        let dtype: String
        let count: Int
        let mean: Double?
        let std: Double?
        let positive: Int
        let negative: Int
        let zero: Int
        let nearZero: Int
        let packed: Packed?

        enum CodingKeys: String, CodingKey {
            case name, shape, dtype, packed, count, mean, std, positive, negative, zero
            case nearZero = "near_zero"
        }

        var dtypeText: String { dtype + (packed.map { " (\($0.form), \($0.bytes.grouped) bytes)" } ?? "") }
    }

    struct Totals: Encodable {
        let tensors: Int
        let values: Int
        let zero: Int
        let nearZero: Int

        enum CodingKeys: String, CodingKey {
            case tensors, values, zero
            case nearZero = "near_zero"
        }
    }

    /// What the values are, by their tensors' shapes and names.
    struct Kinds: Encodable {
        /// Tensors of four axes: how many two-dimensional kernels (output times input channels), and values.
        var kernels = 0
        var convolution = 0
        var matrix = 0
        var vector = 0
        /// Of the vectors, by the last part of their names.
        var mean = 0
        var variance = 0
        var gamma = 0
        var beta = 0
        var bias = 0

        init(_ tensors: [NamedTensor]) {
            let norms = Set(tensors.compactMap { Self.owner($0.name, "running_mean") })
            for entry in tensors where entry.tensor.float32 != nil {
                let shape = entry.tensor.shape
                switch shape.rank {
                case 4:
                    kernels += shape[0] * shape[1]
                    convolution += shape.count
                case 2: matrix += shape.count
                case 1:
                    vector += shape.count
                    addVector(entry.name, count: shape.count, norms: norms)
                default: break
                }
            }
        }

        private mutating func addVector(_ name: String, count: Int, norms: Set<String>) {
            if Self.owner(name, "running_mean") != nil {
                mean += count
            } else if Self.owner(name, "running_var") != nil {
                variance += count
            } else if let owner = Self.owner(name, "weight"), norms.contains(owner) {
                gamma += count
            } else if let owner = Self.owner(name, "bias") {
                if norms.contains(owner) { beta += count } else { bias += count }
            }
        }

        /// "bn1" of "bn1.running_mean"; nil for another tensor than that.
        private static func owner(_ name: String, _ part: String) -> String? {
            name.hasSuffix(".\(part)") ? String(name.dropLast(part.count + 1)) : nil
        }

        var text: String {
            """
            \(convolution.grouped) weights of convolutions in \(kernels.grouped) kernels, \(matrix.grouped) in matrices, \
            \(vector.grouped) in vectors: \(gamma.grouped) gamma, \(beta.grouped) beta, \(mean.grouped) mean and \
            \(variance.grouped) variance of batch norms, \(bias.grouped) biases

            """
        }
    }

    struct NetworkSummary: Encodable {
        let layers: Int
        let input: [Int]
        let parameters: Int
        let macs: Int
    }

    let tensors: [Row]
    let totals: Totals
    let kinds: Kinds
    let metadata: [String: String]
    let network: NetworkSummary?

    init(path: String) throws {
        let file = try Checkpoint.read(path)
        tensors = file.tensors.map { entry in
            let figures = TensorFigures(entry.tensor)
            return Row(
                name: entry.name, shape: entry.tensor.shape.dimensions, dtype: file.typeNames[entry.name] ?? "",
                count: figures.count, mean: figures.mean, std: figures.standardDeviation, positive: figures.positive,
                negative: figures.negative, zero: figures.zero, nearZero: figures.nearZero,
                packed: file.packedSizes[entry.name].map { Packed(form: $0.form, bytes: $0.byteCount) })
        }
        kinds = Kinds(file.tensors)
        totals = Totals(
            tensors: tensors.count, values: tensors.reduce(0) { $0 + $1.count },
            zero: tensors.reduce(0) { $0 + $1.zero },
            nearZero: tensors.reduce(0) { $0 + $1.nearZero })
        metadata = file.metadata.filter { !$0.key.hasPrefix("tapestry.") }
        // A file that says it is a model must be one; any other, such as a run's state, has tensors only.
        let isModel = file.metadata["tapestry.version"] != nil
        network = isModel ? try Self.summary(path) : nil
    }

    private static func summary(_ path: String) throws -> NetworkSummary {
        let graph = try Network(modelFile: path).graph
        let count = try Count(graph)
        return NetworkSummary(
            layers: graph.nodes.count, input: graph.inputShape.dimensions, parameters: count.parameters,
            macs: count.macs)
    }

    var text: String {
        var table = Table(
            ("tensor", .left), ("shape", .right), ("dtype", .left), ("mean", .right), ("std", .right),
            ("positive", .right), ("negative", .right), ("zero", .right), ("near zero", .right))
        for row in tensors {
            let shape = row.shape.isEmpty ? "scalar" : row.shape.map(String.init).joined(separator: "x")
            table.append(
                row.name, shape, row.dtypeText, row.mean?.significant(4) ?? "–", row.std?.significant(4) ?? "–",
                row.positive.grouped, row.negative.grouped, row.zero.grouped, row.nearZero.grouped)
        }
        table.rule()
        table.append(
            "\(totals.tensors) tensors", totals.values.grouped, "", "", "", "", "", totals.zero.grouped,
            totals.nearZero.grouped)
        var lines = table.text + kinds.text
        if let network {
            let input = network.input.map(String.init).joined(separator: "x")
            lines += "\nA Tapestry model of \(network.layers) nodes for \(input) images: "
            lines += "\(network.parameters.grouped) parameters, \(network.macs.grouped) multiply-adds\n"
        }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { lines += "\(key): \(value)\n" }
        return lines
    }
}
