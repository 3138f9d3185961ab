import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryTestSupport
import Testing

/// ACNet's training weights become its deployed ones by their names.
struct ACBCheckpointTests {
    private static func tensors(_ kind: String) throws -> [String: Tensor<Float>] {
        var tensors: [String: Tensor<Float>] = [:]
        for entry in try ACNetFile.read(Fixture.path("acnet_\(kind).hdf5")) {
            tensors[entry.name] = entry.tensor.float32
        }
        return tensors
    }

    @Test func theRecordedFileBecomesTheRecordedOne() throws {
        let (training, deployed) = (try Self.tensors("train"), try Self.tensors("deploy"))
        let fusions = try ACBCheckpoint.fusions(in: training)
        #expect(fusions.map(\.prefix) == ["conv1.acb", "conv2.acb"])
        var converted = training.filter { !ACBCheckpoint.isPartOfBlock($0.key) }
        for fusion in fusions { converted.merge(fusion.fused.weights.tensors) { $1 } }
        #expect(Set(converted.keys) == Set(deployed.keys))
        for (name, tensor) in deployed {
            expectClose(try #require(converted[name]), tensor, within: Tolerance(absolute: 1e-6), name)
        }
    }

    @Test func whatIsNoBlockIsRefusedByName() throws {
        var tensors = try Self.tensors("train")
        #expect(ACBCheckpoint.hasBlocks(tensors.keys))
        tensors["conv2.acb.ver_bn.running_var"] = nil
        #expect {
            try ACBCheckpoint.fusions(in: tensors)
        } throws: { error in
            "\(error)".contains("conv2.acb") && "\(error)".contains("lack \"conv2.acb.ver_bn.running_var\"")
        }
        tensors["conv1.acb.square_conv.weight"] = Tensor(shape: [2, 2], repeating: 0)
        #expect(throws: MethodError("block \"conv1.acb\": its square_conv.weight is no square kernel")) {
            try ACBCheckpoint.fusions(in: tensors)
        }
        let huge = ["x.square_conv.weight": Tensor<Float>(shape: [1, 1, 7, 7], repeating: 0)]
        #expect(throws: MethodError.self) { try ACBCheckpoint.fusions(in: huge) }
    }
}
