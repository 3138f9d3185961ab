import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

private let folder = ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"]

/// The published checkpoints in the published networks: the logits that the published programs gave.
@Suite(
    .enabled(
        if: folder != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"))
struct PublishedLogitsTests {
    private static func model(_ name: String) throws -> Model {
        let graph = try Zoo.architecture(named: name == "lenet5" ? "ec2t/lenet5" : "ec2t/resnet20").graph()
        let checkpoint = try Checkpoint.read("\(try #require(folder))/\(name).pt")
        return try Model(graph: graph, weights: StateDict.weights(of: graph, from: checkpoint.tensors))
    }

    @Test(arguments: ["resnet20", "resnet20_ec2t_spars64", "lenet5"])
    func recordedLogits(name: String) throws {
        let recorded = try Fixtures.tensors("checkpoint_logits.safetensors")
        let isLeNet = name == "lenet5"
        let images = isLeNet ? HashRule.images([4, 1, 28, 28]) : try #require(recorded["normalised"])
        let expected = try #require(recorded[isLeNet ? "lenet5.logits_hash_input" : "\(name).logits"])
        let model = try Self.model(name)
        for model in [model, try model.deployed().model] {
            let value = try ReferenceInterpreter(model.graph, weights: model.weights)(images.map(Double.init))
            expectClose(value, expected, within: Tolerance(absolute: 1e-4), name)
        }
    }
}
