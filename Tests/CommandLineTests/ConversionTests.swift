import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

@Suite("tapestry convert") struct ConversionTests {
    private struct Document: Decodable {
        struct Side: Decodable {
            let nodes, parameters, macs: Int
        }

        struct Evidence: Decodable {
            let largest_relative_difference: Double
            let top1_agreement: Double
            let random_inputs: Int
            let images: Int
        }

        let source: Side?
        let result: Side?
        let blocks: Int?
        let certificate: Evidence
    }

    /// A small network of asymmetric blocks with weights that were trained a little, in effect.
    static func writeBlocks(_ path: String) throws {
        let graph = try MethodAssignment(method: "acb").network(of: try Zoo.architecture(named: "ask/resnet8"))
        try ModelFixtures.write(graph, to: path, facts: ["architecture": "ask/resnet8", "method": "acb"]) { weights in
            for name in weights.tensors.keys where name.hasSuffix("running_mean") {
                weights.tensors[name] = weights.tensors[name]!.map { _ in 0.25 }
            }
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws { try TemporaryFolder.with(body) }

    /// Each form is written, certified, and read as a model or with the options that name its network.
    @Test(arguments: ["safetensors", "pt", "hdf5"])
    func deployedNetworksAreReadBack(form: String) throws {
        try withFolder { folder throws in
            let (source, output) = ("\(folder)/a.safetensors", "\(folder)/b.\(form)")
            try Self.writeBlocks(source)
            let outcome = try Program.run("convert", source, "-o", output, "--json", "--inputs", "2")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let document = try outcome.json(as: Document.self)
            let (before, after) = (try #require(document.source), try #require(document.result))
            #expect(after.macs < before.macs && after.nodes < before.nodes && document.certificate.random_inputs == 2)
            let certificate = document.certificate
            #expect(certificate.largest_relative_difference < 1e-5 && certificate.top1_agreement == 100)
            let network = form == "hdf5" ? ["--arch", "ask/resnet8", "--method", "acb"] : []
            let again = try Program.run(
                ["convert", output, "-o", "\(folder)/c.safetensors", "--inputs", "1", "--json"] + network)
            #expect(again.status == 0, "\(again.errors)")
            #expect(try again.json(as: Document.self).certificate.largest_relative_difference == 0)
            let model = try ModelFile.read("\(folder)/c.safetensors")
            #expect(model.graph.nodes.allSatisfy { $0.operation.kind != "batchNorm" })
            if form == "safetensors" {
                let written = try ModelFile.read(output)
                #expect(written.weights == model.weights)
                #expect(written.facts["certificate"]?.contains("\"top1_agreement\":100") == true)
            }
        }
    }

    @Test func batchNormsOutsideOfBranchesCanBeKept() throws {
        try withFolder { folder throws in
            let source = "\(folder)/a.safetensors"
            try Self.writeBlocks(source)
            let outcome = try Program.run(
                "convert", source, "-o", "\(folder)/b.safetensors", "--keep-batch-norm", "--inputs", "1")
            #expect(outcome.status == 0 && outcome.output.contains("Equivalent on 1 random input,"))
            let names = try ModelFile.read("\(folder)/b.safetensors").graph.nodes.map(\.name)
            #expect(names.contains("layer1.0.conv1.fused_conv") && !names.contains("layer1.0.conv1.square_conv"))
        }
    }

    @Test func theWayBack() throws {
        try withFolder { folder throws in
            let (dense, blocks) = ("\(folder)/a.safetensors", "\(folder)/b.safetensors")
            try ModelFixtures.write(dense, facts: ["architecture": "ask/resnet8"])
            let outcome = try Program.run(
                "convert", dense, "-o", blocks, "--for-training", "--method", "acb", "--inputs", "2")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let model = try ModelFile.read(blocks)
            #expect(model.facts["method"] == "acb" && model.facts["architecture"] == "ask/resnet8")
            #expect(model.graph.node(named: "conv1.square_conv") != nil)
            // What rewrites a model's own network comes on top of what made that.
            let (shaped, both) = ("\(folder)/s.safetensors", "\(folder)/t.safetensors")
            let graph = try MethodAssignment(method: "ask:ASK_5a").apply(to: ModelFile.read(dense).graph)
            try ModelFixtures.write(graph, to: shaped, facts: ["method": "ask:ASK_5a"])
            let added = try Program.run(
                "convert", shaped, "-o", both, "--for-training", "--method", "acb", "--inputs", "1")
            #expect(added.status == 0, "\(added.errors)")
            #expect(try ModelFile.read(both).facts["method"] == "ask:ASK_5a,acb")
            // A support that lacks some of the weights is no equivalent network.
            let refused = try Program.run(
                "convert", dense, "-o", "\(folder)/c.pt", "--for-training", "--method", "ask:ASK_2")
            #expect(refused.status == 65 && refused.errors.contains("lie where this layer has none"))
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/c.pt"))
        }
    }

    @Test func networksWithoutAModelGetFreshWeights() throws {
        try withFolder { folder throws in
            let (fresh, deployed) = ("\(folder)/a.safetensors", "\(folder)/b.safetensors")
            let network = ["--arch", "ask/resnet8", "--method", "ask:ASK_5a", "--inputs", "1"]
            let outcome = try Program.run(["convert", "-o", fresh, "--for-training"] + network)
            #expect(outcome.status == 0 && outcome.output.contains("fresh weights"), "\(outcome.errors)")
            let model = try ModelFile.read(fresh)
            #expect(model.weights.tensors == Weights.initial(for: model.graph, seed: 1).tensors)
            #expect(model.facts["architecture"] == "ask/resnet8" && model.facts["method"] == "ask:ASK_5a")
            #expect(try Program.run(["convert", "-o", deployed] + network).status == 0)
            #expect(try ModelFile.read(deployed).graph == model.graph.deployed())
            let unnamed = try Program.run("convert", "-o", deployed)
            #expect(unnamed.status == 64 && unnamed.errors.contains("--arch"), "\(unnamed.errors)")
        }
    }

    /// ACNet's own file, without a word about its network.
    @Test func weightsAloneAreFusedByTheirNames() throws {
        try withFolder { folder throws in
            let outcome = try Program.run(
                "convert", Fixture.path("acnet_train.hdf5"), "-o", "\(folder)/d.hdf5", "--json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try outcome.json(as: Document.self).blocks == 2)
            let expected = try ACNetFile.read(Fixture.path("acnet_deploy.hdf5"))
            let found = try ACNetFile.read("\(folder)/d.hdf5")
            #expect(found.map(\.name) == expected.map(\.name))
            for (a, b) in zip(found, expected) {
                guard let tensor = a.tensor.float32 else {
                    #expect(a == b)
                    continue
                }
                expectClose(tensor, try #require(b.tensor.float32), within: Tolerance(absolute: 1e-6), a.name)
            }
            let refused = try Program.run("convert", Fixture.path("acnet_train.hdf5"), "-o", "\(folder)/d.onnx")
            #expect(refused.status == 64 && refused.errors.contains("--arch"), "\(refused.errors)")
        }
    }

    private struct PackingDocument: Decodable {
        struct Packing: Decodable {
            struct Tensor: Decodable {
                let name, form: String
                let weights, zeros, bytes: Int
                let entropy_bytes: Double
            }

            let packing: String
            let file_bytes, unpacked_file_bytes: Int
            let tensors: [Tensor]
        }

        let packing: Packing?
    }

    private struct Shown: Decodable {
        struct Row: Decodable {
            struct Packed: Decodable, Equatable {
                let form: String
                let bytes: Int
            }

            let name, dtype: String
            let packed: Packed?
        }

        let tensors: [Row]
        let metadata: [String: String]
    }

    /// A packed file says how small it is, is read by commands as any other, and unpacks to the same file again.
    @Test(arguments: ["ternary", "entropy"])
    func packedFilesAreModels(packing: String) throws {
        try withFolder { folder throws in
            let (source, plain, packed, again) = (
                "\(folder)/a.safetensors", "\(folder)/b.safetensors", "\(folder)/c.safetensors",
                "\(folder)/d.safetensors"
            )
            var model = try SmallTernaryNetwork.packableModel()
            // A weight of -0 is one of 0 in what is packed.
            model.weights.tensors["ternary.weight"]!.elements[0] = -0.0
            try ModelFile.write(model, to: source)
            let options = ["--keep-batch-norm", "--inputs", "2"]
            let outcome = try Program.run(["convert", source, "-o", packed, "--pack", packing, "--json"] + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let report = try #require(try outcome.json(as: PackingDocument.self).packing)
            let suffix = packing == "entropy" ? "-coded" : ""
            #expect(report.tensors.map(\.name) == ["ternary.weight", "sparse.weight"] && report.packing == packing)
            #expect(report.tensors.map(\.form) == ["ternary\(suffix)", "sparse\(suffix)"])
            #expect(report.tensors.map(\.weights) == [288, 576] && report.tensors.map(\.zeros) == [144, 523])
            #expect(report.file_bytes == (try Data(contentsOf: URL(filePath: packed)).count))
            // Without --json a table, and one line.
            let text = try Program.run(["convert", packed, "-o", again, "--pack", packing] + options)
            #expect(
                text.output.contains("packed tensor") && text.output.contains("bytes, of which packed weights take"))
            let shown = try Program.run("show", packed, "--json").json(as: Shown.self)
            for row in shown.tensors {
                let tensor = report.tensors.first { $0.name == row.name }
                #expect(row.packed == tensor.map { Shown.Row.Packed(form: $0.form, bytes: $0.bytes) })
                #expect(row.dtype == "F32")
            }
            #expect(shown.metadata["tapestry.packed"] == nil)
            #expect(try Program.run("show", packed).output.contains("F32 (ternary\(suffix), "))
            // Unpacked, it is what conversion writes without packing.
            #expect(try Program.run(["convert", packed, "-o", plain] + options).status == 0)
            let (left, right) = (try ModelFile.read(plain), try ModelFile.read(packed))
            #expect(left.weights == right.weights && left.graph == right.graph)
            #expect(report.unpacked_file_bytes == (try Data(contentsOf: URL(filePath: plain)).count))
            let scores = try [packed, plain].map { try Program.run("score", $0) }
            #expect(scores[0].status == 0 && scores[0].output == scores[1].output)
        }
    }

    @Test func nothingIsWrittenWhereNothingCanBePacked() throws {
        try withFolder { folder throws in
            try ModelFixtures.write("\(folder)/a.safetensors") { weights in
                for (name, tensor) in weights.tensors {
                    weights.tensors[name]!.elements = tensor.elements.indices.map { Float($0 + 1) / 1000 }
                }
            }
            let outcome = try Program.run(
                "convert", "\(folder)/a.safetensors", "-o", "\(folder)/b.safetensors", "--pack", "entropy", "--inputs",
                "1")
            #expect(outcome.status == 65 && outcome.errors.contains("no weights are ternary"), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/b.safetensors"))
        }
    }

    @Test(arguments: [
        ("-o out.onnx --for-training --method acb", Int32(64), "ONNX"), ("-o out.zip", 64, "extension"),
        ("-o out.onnx --pack ternary", 64, "only .safetensors"), ("", 64, "--output"),
        ("-o out.pt --for-training --keep-batch-norm", 64, "--keep-batch-norm"),
        ("-o out.pt --method acb", 64, "--arch"), ("-o out.pt --classes 3", 64, "--arch"),
        ("-o out.pt --arch ask/resnet14", 65, "the file lacks"), ("-o out.pt --for-training", 64, "--method"),
        ("-o /nowhere/out.pt", 73, "/nowhere/out.pt"), ("-o a.safetensors", 64, "is the model itself"),
        ("-o ./b/../a.safetensors", 64, "is the model itself"),
        ("-o out.pt --pack ternary", 64, "only .safetensors files have packed weights"),
        ("-o out.safetensors --pack zip", 64, "--pack"),
    ])
    func refusals(options: String, status: Int32, words: String) throws {
        try withFolder { folder throws in
            try FileManager.default.createDirectory(atPath: "\(folder)/b", withIntermediateDirectories: true)
            try ModelFixtures.write("\(folder)/a.safetensors")
            let before = try Data(contentsOf: URL(filePath: "\(folder)/a.safetensors"))
            let outcome = try Program.shell("cd \(folder) && $tapestry convert a.safetensors \(options) --inputs 1")
            #expect(outcome.status == status && outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains(words) && outcome.output.isEmpty, "\(outcome.errors)")
            #expect(try Data(contentsOf: URL(filePath: "\(folder)/a.safetensors")) == before)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/out.pt"))
        }
    }

    @Test func networksThatAreNotFiniteAreNotConverted() throws {
        try withFolder { folder throws in
            try ModelFixtures.write("\(folder)/a.safetensors") {
                $0.tensors["layer1.0.bn1.running_var"]!.elements[0] = -1
            }
            let outcome = try Program.run("convert", "\(folder)/a.safetensors", "-o", "\(folder)/b.safetensors")
            #expect(outcome.status == 65 && outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/b.safetensors"))
        }
    }
}
