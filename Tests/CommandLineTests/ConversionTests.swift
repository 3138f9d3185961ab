import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
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
    private static func writeBlocks(_ path: String) throws {
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
        }
    }

    @Test(arguments: [
        ("-o out.onnx", Int32(69), "ONNX"), ("-o out.zip", 64, "extension"), ("", 64, "--output"),
        ("-o out.pt --for-training --keep-batch-norm", 64, "--keep-batch-norm"),
        ("-o out.pt --method acb", 64, "--arch"), ("-o out.pt --classes 3", 64, "--arch"),
        ("-o out.pt --arch ask/resnet14", 65, "the file lacks"), ("-o out.pt --for-training", 64, "--method"),
        ("-o /nowhere/out.pt", 73, "/nowhere/out.pt"), ("-o a.safetensors", 64, "is the model itself"),
        ("-o ./b/../a.safetensors", 64, "is the model itself"),
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

    #if TAPESTRY_TORCH
    private struct Comparison: Decodable {
        struct Side: Decodable {
            let top1, loss: Double
        }

        let models: [Side]
        let images: Int
        let agreement: Double
        let largest_difference: Double
    }

    /// Equal networks agree; networks of other weights differ.
    @Test func modelsAreValidatedOnImages() throws {
        try SmallRun.with { run throws in
            let (folder, data) = (run.folder, "\(run.folder)/data")
            let source = "\(folder)/a.safetensors"
            try Self.writeBlocks(source)
            try ModelFixtures.write("\(folder)/c.safetensors")
            #expect(try Program.run("convert", source, "-o", "\(folder)/b.pt", "--data", data).status == 0)
            let same = try Program.run("validate", source, "\(folder)/b.pt", "--data", data, "--json")
            #expect(same.status == 0, "\(same.errors)")
            let comparison = try same.json(as: Comparison.self)
            #expect(comparison.agreement == 100 && comparison.largest_difference < 1e-3 && comparison.images > 0)
            #expect(comparison.models[0].top1 == comparison.models[1].top1)
            let other = try Program.run(
                "validate", source, "\(folder)/c.safetensors", "--data", data, "--normalize", "ask", "--json")
            #expect(try other.json(as: Comparison.self).largest_difference > 1e-2)
            let table = try Program.run("validate", source, source, "--data", data)
            #expect(table.output.contains("both say the same class of 100.00 %"))
        }
    }
    #endif
}
