import CTapestry
import TapestryCInterface
import TapestryInference
import TapestryTestSupport
import Testing

@Suite("C interface") struct CInterfaceTests {
    private static var lastError: String { String(cString: tapestry_last_error()) }

    /// Opens a model's file and closes it behind `body`.
    private func withNetwork(
        of fixture: ModelFixture, _ precision: tapestry_precision = TAPESTRY_FP32,
        _ body: (OpaquePointer) throws -> Void
    ) throws {
        let path = try fixture.write(isDeployed: false)
        let network = try #require(tapestry_open(path, 2, 2, precision), "\(Self.lastError)")
        defer { tapestry_close(network) }
        try body(network)
    }

    @Test func resultsInBFloat16AreThoseOfSwift() throws {
        let fixture = try ModelFixture()
        try withNetwork(of: fixture, TAPESTRY_BF16) { network in
            let images = fixture.images(2)
            let expected = try NativeNetwork(fixture.model.deployed(), precision: .bf16)(images).elements
            var results = [Float](repeating: .nan, count: 6)
            #expect(tapestry_run(network, images.elements, 2, TAPESTRY_PLANAR, &results) == 0)
            #expect(results == expected)
        }
        let path = try fixture.write(isDeployed: false)
        #expect(tapestry_open(path, 1, 1, tapestry_precision(rawValue: 7)) == nil)
        #expect(Self.lastError.contains("TAPESTRY_BF16"))
    }

    @Test func resultsAreThoseOfSwift() throws {
        let fixture = try ModelFixture()
        try withNetwork(of: fixture) { network in
            let input = tapestry_input_shape(network)
            #expect(input.rank == 3 && input.dimensions == (3, 8, 8))
            let output = tapestry_output_shape(network)
            #expect(output.rank == 1 && output.dimensions == (3, 1, 1))
            let images = fixture.images(5)
            let expected = try NativeNetwork(fixture.model.deployed())(images).elements
            var results = [Float](repeating: .nan, count: 15)
            #expect(tapestry_run(network, images.elements, 5, TAPESTRY_PLANAR, &results) == 0)
            #expect(results == expected)
            let interleaved = (0..<5 * 192).map { index in
                let (image, place) = (index / 192, index % 192)
                return images.elements[image * 192 + place % 3 * 64 + place / 3]
            }
            results = [Float](repeating: .nan, count: 15)
            #expect(tapestry_run(network, interleaved, 5, TAPESTRY_CHANNELS_LAST, &results) == 0)
            #expect(results == expected)
            #expect(tapestry_run(network, nil, 0, TAPESTRY_PLANAR, nil) == 0)
        }
    }

    @Test func factsAreToldInC() throws {
        let fixture = try ModelFixture()
        try withNetwork(of: fixture) { network in
            #expect(tapestry_class_name(network, 0).map { String(cString: $0) } == "cat")
            #expect(tapestry_class_name(network, 1).map { String(cString: $0) } == "chien \u{e9}")
            #expect(tapestry_class_name(network, 2) == nil && tapestry_class_name(network, -1) == nil)
            let pixels = (0..<192).map { UInt8($0) }
            var input = [Float](repeating: .nan, count: 192)
            #expect(tapestry_normalize(network, pixels, &input) == 0)
            let expected = try Normalization.preset("ask", channels: 3).input(pixels, height: 8, width: 8)
            #expect(input == expected.elements)
        }
        try withNetwork(of: ModelFixture(normalization: nil)) { network in
            var input = [Float](repeating: 0, count: 192)
            #expect(tapestry_normalize(network, [UInt8](repeating: 0, count: 192), &input) == -1)
            #expect(Self.lastError.contains("does not say how its images were normalised"))
        }
    }

    @Test func failuresSayWhy() throws {
        let fixture = try ModelFixture()
        #expect(tapestry_open(fixture.directory.path + "/none", 1, 1, TAPESTRY_FP32) == nil)
        #expect(Self.lastError.contains("/none: No such file"))
        #expect(tapestry_open(nil, 1, 1, TAPESTRY_FP32) == nil)
        #expect(Self.lastError == "expected a path, found a null pointer")
        let path = try fixture.write(isDeployed: true)
        #expect(tapestry_open(path, 1, 0, TAPESTRY_FP32) == nil)
        #expect(Self.lastError.contains("at least one image and one thread, found 1 and 0"))
        try withNetwork(of: fixture) { network in
            var result: Float = 0
            #expect(tapestry_run(network, [0], 1, tapestry_order(rawValue: 7), &result) == -1)
            #expect(Self.lastError.contains("an order of tapestry.h, found 7"))
            #expect(tapestry_run(network, nil, 1, TAPESTRY_PLANAR, &result) == -1)
            #expect(tapestry_run(network, [0], .max, TAPESTRY_PLANAR, &result) == -1)
            #expect(tapestry_normalize(network, nil, nil) == -1)
        }
        tapestry_close(nil)
    }

    @Test func manyThreadsMayRunOneNetwork() async throws {
        let fixture = try ModelFixture()
        let images = fixture.images(4)
        let expected = try NativeNetwork(fixture.model.deployed())(images).elements
        let path = try fixture.write(isDeployed: false)
        let network = try #require(tapestry_open(path, 4, 2, TAPESTRY_FP32))
        defer { tapestry_close(network) }
        let address = UInt(bitPattern: network)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<20).allSatisfy { _ in
                        var results = [Float](repeating: .nan, count: 12)
                        return tapestry_run(
                            OpaquePointer(bitPattern: address), images.elements, 4, TAPESTRY_PLANAR, &results) == 0
                            && results == expected
                    }
                }
            }
            for await isEqual in group { #expect(isEqual) }
        }
    }
}
