import TapestryCore
import TapestryFormats
import TapestryRewrites

/// What packing makes of a file: its size, and for each packed tensor what it takes beside the least that it could take if
/// weights told nothing about each other.
struct PackingReport: Encodable {
    struct PackedTensor: Encodable {
        let name: String
        let form: String
        let weights: Int
        let zeros: Int
        let bytes: Int
        let entropyBytes: Double

        enum CodingKeys: String, CodingKey {
            case name, form, weights, zeros, bytes
            case entropyBytes = "entropy_bytes"
        }

        var bitsPerWeight: Double { Double(8 * bytes) / Double(weights) }
        var entropyBitsPerWeight: Double { 8 * entropyBytes / Double(weights) }
    }

    let packing: String
    /// Of the file, and of one with the same tensors as they are.
    let fileBytes: Int
    let unpackedFileBytes: Int
    let weights: Int
    let bytes: Int
    let entropyBytes: Double
    let tensors: [PackedTensor]

    enum CodingKeys: String, CodingKey {
        case packing, weights, bytes, tensors
        case fileBytes = "file_bytes"
        case unpackedFileBytes = "unpacked_file_bytes"
        case entropyBytes = "entropy_bytes"
    }

    init(_ packing: Packing, of unpacked: SafetensorsFile, packed: SafetensorsFile, sizes: [String: PackedSize]) {
        self.packing = packing.rawValue
        (fileBytes, unpackedFileBytes) = (packed.byteCount, unpacked.byteCount)
        tensors = unpacked.tensors.compactMap { entry in
            guard let size = sizes[entry.name], let tensor = entry.tensor.float32 else { return nil }
            let figures = WeightFigures(tensor)
            return PackedTensor(
                name: entry.name, form: size.form, weights: figures.count, zeros: figures.count - figures.nonzeros,
                bytes: size.byteCount,
                entropyBytes: (StorageFormat.entropy.bits(figures, precision: .single) ?? 0) / 8)
        }
        weights = tensors.reduce(0) { $0 + $1.weights }
        bytes = tensors.reduce(0) { $0 + $1.bytes }
        entropyBytes = tensors.reduce(0) { $0 + $1.entropyBytes }
    }

    /// A table of the packed tensors, and a line on the file.
    func text(of output: String) -> String {
        var table = Table(
            ("packed tensor", .left), ("form", .left), ("weights", .right), ("zero", .right), ("bytes", .right),
            ("bits a weight", .right), ("entropy bound", .right))
        for tensor in tensors {
            table.append(
                tensor.name, tensor.form, tensor.weights.grouped,
                (100 * Double(tensor.zeros) / Double(tensor.weights)).percent, tensor.bytes.grouped,
                tensor.bitsPerWeight.decimals(3), tensor.entropyBitsPerWeight.decimals(3))
        }
        table.rule()
        table.append(
            "\(tensors.count) tensors", "", weights.grouped, "", bytes.grouped,
            (Double(8 * bytes) / Double(weights)).decimals(3), (8 * entropyBytes / Double(weights)).decimals(3))
        return table.text + "\n\(output): \(fileBytes.grouped) bytes, of which packed weights take \(bytes.grouped) "
            + "(entropy bound \(entropyBytes.groupedWhole)); unpacked, \(unpackedFileBytes.grouped) bytes\n"
    }
}

extension Model {
    /// The same with 0 for every weight of -0, of which packing would make a value of its own.
    var withoutNegativeZeros: Model {
        var result = self
        for parameter in graph.parameters where [.convolutionWeight, .linearWeight].contains(parameter.role) {
            result.weights.tensors[parameter.name] = weights.tensors[parameter.name]?.map { $0 == 0 ? 0 : $0 }
        }
        return result
    }
}
