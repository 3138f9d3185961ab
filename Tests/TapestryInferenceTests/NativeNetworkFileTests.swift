import TapestryInference
import TapestryTestSupport
import Testing

@Suite("Networks from files") struct NativeNetworkFileTests {
    @Test(arguments: [false, true], [nil, Packing.ternary, .entropy])
    func everyFormRuns(isDeployed: Bool, packing: Packing?) throws {
        let fixture = try ModelFixture()
        let network = try NativeNetwork(contentsOf: fixture.write(isDeployed: isDeployed, packing: packing), threads: 2)
        #expect(network.inputShape == [3, 8, 8] && network.outputShape == [3])
        let images = fixture.images(3)
        let logits = try network(images)
        #expect(logits.shape == [3, 3])
        let interpreter = try ReferenceInterpreter(fixture.model.graph, weights: fixture.model.weights)
        expectClose(logits, try interpreter(images.map(Double.init)), within: Tolerance(absolute: 1e-5, relative: 1e-5))
    }

    @Test func filesThatCannotRunAreNamed() throws {
        let fixture = try ModelFixture()
        let missing = fixture.directory.path + "/none"
        let notFound = #expect(throws: InputNotFound.self) { try NativeNetwork(contentsOf: missing) }
        #expect(notFound?.path == missing)
        expectFormatError(at: 1, "expected 8 bytes of header length") {
            _ = try NativeNetwork(contentsOf: fixture.directory.write([1], to: "short"))
        }
        var broken = fixture.model
        broken.weights.tensors["conv1.weight"] = broken.weights.tensors["conv1.weight"]?.map { _ in .nan }
        let path = fixture.directory.path + "/nan"
        try ModelFile.write(broken, to: path)
        expectFormatError("conv1") { _ = try NativeNetwork(contentsOf: path) }
    }
}
