import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// The fusion of asymmetric blocks in a file of weights whose network is not known.
struct ACNetConversion {
    private let path: String
    private let tensors: [NamedTensor]

    /// Whether the file at `path` has such blocks and no network. Throws: as `Checkpoint.read`.
    static func isNeeded(for path: String) throws -> Bool {
        let checkpoint = try Checkpoint.read(path)
        return !ModelFile.isModel(checkpoint) && ACBCheckpoint.hasBlocks(checkpoint.tensors.map(\.name))
    }

    init(path: String) throws {
        self.path = path
        tensors = try Checkpoint.kind(of: path) == .hdf5 ? ACNetFile.read(path) : Checkpoint.read(path).tensors
    }

    /// Writes the file with its blocks fused, certified block by block.
    func write(to output: String, as form: OutputForm) async throws -> ConversionReport {
        var values: [String: Tensor<Float>] = [:]
        for entry in tensors { values[entry.name] = entry.tensor.float32 }
        let fusions: [ACBCheckpoint.Fusion]
        do { fusions = try ACBCheckpoint.fusions(in: values) } catch {
            throw FormatError(file: path, reason: error.description)
        }
        var certificate: Certificate?
        for fusion in fusions {
            let next = try await Certificate.compare(fusion.block, fusion.fused.model, randomInputs: 8)
            guard next.holds else { throw Convert.failure(next, model: "\(path), block \"\(fusion.prefix)\"") }
            certificate = certificate?.merged(with: next) ?? next
        }
        guard let certificate else { throw FormatError(file: path, reason: "has no asymmetric block") }
        let kept = tensors.filter { !ACBCheckpoint.isPartOfBlock($0.name) }
        let fused = fusions.flatMap { StateDict.tensors(of: $0.fused.model, layout: .deployed) }
        let packing = try form.write(fused + kept, facts: [Certificate.fact: try certificate.json], to: output)
        return ConversionReport(
            model: path, output: output, source: nil, result: nil, blocks: fusions.count, certificate: certificate,
            packing: packing)
    }
}
