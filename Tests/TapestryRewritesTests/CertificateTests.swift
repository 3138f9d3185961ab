import TapestryCore
import TapestryRewrites
import TapestryTestSupport
import Testing

struct CertificateTests {
    private static func model(_ change: (inout Weights) -> Void = { _ in }) throws -> Model {
        var stream = RandomStream(seed: 6, purpose: .test)
        let graph = try Graph.build(input: [2, 5, 5]) {
            $0.convolution("conv", to: 3, kernel: 3).relu().globalAveragePool().linear("fc", to: 4)
        }
        var weights = stream.weights(for: graph)
        change(&weights)
        return try Model(graph: graph, weights: weights)
    }

    @Test func aNetworkEqualsItself() async throws {
        var done = 0
        let image = Tensor<Float>(shape: [2, 5, 5], repeating: 0.5)
        let certificate = try await Certificate.compare(
            Self.model(), Self.model(), randomInputs: 5, images: [image, image]
        ) { done += 1 }
        #expect(certificate.holds && certificate.largestAbsoluteDifference == 0)
        #expect(certificate.randomInputs == 5 && certificate.images == 2 && done == 7)
    }

    @Test func aDifferenceIsMeasured() async throws {
        let changed = try Self.model { $0.tensors["fc.bias"]!.elements[1] += 0.25 }
        let certificate = try await Certificate.compare(Self.model(), changed, randomInputs: 3)
        #expect(!certificate.holds)
        expectClose(certificate.largestAbsoluteDifference, 0.25, within: Tolerance(absolute: 1e-6))
    }

    /// A difference within the bound is none, one above it is.
    @Test(arguments: [(Float(0x1p-20), true), (Float(0x1p-10), false)])
    func theBoundIsKept(difference: Float, holds: Bool) async throws {
        let changed = try Self.model { $0.tensors["fc.bias"]!.elements[2] += difference }
        let certificate = try await Certificate.compare(Self.model(), changed, randomInputs: 4)
        #expect(certificate.holds == holds, "\(certificate)")
    }

    @Test func whatIsNoNumberHoldsNothing() async throws {
        let changed = try Self.model { $0.tensors["fc.bias"]!.elements[0] = .nan }
        for (a, b) in [(try Self.model(), changed), (changed, changed)] {
            let certificate = try await Certificate.compare(a, b, randomInputs: 2)
            #expect(!certificate.holds)
        }
    }

    @Test func certificatesOfPartsAreOne() async throws {
        let same = try await Certificate.compare(Self.model(), Self.model(), randomInputs: 3)
        let changed = try Self.model { $0.tensors["fc.bias"]!.elements[1] += 100 }
        let other = try await Certificate.compare(Self.model(), changed, randomInputs: 1)
        let both = same.merged(with: other)
        #expect(both.randomInputs == 4 && both.top1Agreement == 75 && !both.holds)
        #expect(both.largestAbsoluteDifference == other.largestAbsoluteDifference)
    }
}
