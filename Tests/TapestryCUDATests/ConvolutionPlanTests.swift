import CTapestryCUDA
import Foundation
import TapestryCUDA
import TapestryCore
import TapestryTestSupport
import Testing

@Suite("Plans of CUDA kernels") struct ConvolutionPlanTests {
    private static func plan(
        _ convolution: Convolution, _ variant: KernelVariant, side: Int = 5, splits: Int = 1
    ) -> ConvolutionPlan {
        let size = Size.square(side)
        return ConvolutionPlan(
            convolution, images: 2, inputSize: size, outputSize: size, variant: variant,
            splits: .init(forward: splits, inputGradient: splits, weightGradient: splits))
    }

    private static func convolution(_ channels: Int, _ support: Support) -> Convolution {
        Convolution(
            inputChannels: channels, outputChannels: channels, kernel: .square(3), padding: .all(1),
            support: support)
    }

    /// Multiply-adds of a position: what tiles sum over, times their outputs.
    private static func products(_ plan: ConvolutionPlan) -> Int {
        plan.forwardTables.tiles.reduce(0) { sum, tile in
            let steps = plan.forwardTables.steps[Int(tile.first_step)...].prefix(Int(tile.step_count))
            return sum + steps.count { $0.channel >= 0 } * plan.variant.arithmetic.vector
                * Int(tile.output_count)
        }
    }

    /// Tiles as wide as a block of outputs compute the support's products and no other; wider ones, whose time is their
    /// steps' whatever their outputs, have no more steps than the dense kernel's.
    @Test func onlyTheSupportIsComputed() throws {
        let plus = Support.tapSets([try TapSet(numbers: [2, 4, 5, 6, 8])])
        let corners = Support.tapSets(
            try [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]].map { try TapSet(numbers: $0) })
        for variant in KernelVariant.all {
            let dense = Self.plan(Self.convolution(64, .dense), variant).forwardTables.steps.count
            for support in [Support.dense, plus, corners, .blockDiagonal(parts: 4)] {
                let convolution = Self.convolution(64, support)
                let plan = Self.plan(convolution, variant)
                #expect(plan.forwardTables.steps.count <= dense, "\(variant) \(support)")
                let blocks = Set(convolution.outputBlocks.map(\.outputs.count))
                guard blocks.allSatisfy({ $0 >= variant.columns || blocks == [64] }) else { continue }
                #expect(Self.products(plan) == convolution.weightCount, "\(variant) \(support)")
            }
        }
    }

    @Test func whatIsNoVectorWideIsRefused() {
        let narrow = Convolution(inputChannels: 3, outputChannels: 16, kernel: .square(3))
        #expect(
            ConvolutionPlan.obstacle(to: narrow, arithmetic: .fp32)?.contains("3 input channels") == true)
        let quarter = Self.convolution(12, .dense)
        #expect(ConvolutionPlan.obstacle(to: quarter, arithmetic: .fp32) == nil)
        #expect(ConvolutionPlan.obstacle(to: quarter, arithmetic: .bf16) != nil)
    }

    /// y = activation(scale * sum + bias + residual), whether or not the sum was cut into parts.
    @Test(arguments: KernelVariant.all, [TCU_IDENTITY, TCU_RELU, TCU_SIGMOID, TCU_SWISH])
    func endings(variant: KernelVariant, activation: tcu_activation) throws {
        var stream = RandomStream(seed: 8, purpose: .test)
        let channels = 3 * variant.arithmetic.vector
        let plain = Self.plan(Self.convolution(channels, .dense), variant)
        func whole(_ count: Int) -> [Double] {
            (0..<count).map { _ in Double(stream.integer(in: -1...1)) }
        }
        let (x, weights) = (whole(2 * 25 * channels), whole(channels * 9 * channels))
        let residual = whole(x.count)
        let (scale, bias) = (
            whole(channels).map { Float($0 / 4) }, whole(channels).map { Float($0 / 2) }
        )
        let sums = EmulatedConvolution(plan: plain, schedule: TCU_LATE).forward(x, weights)
        let expected = sums.indices.map { index in
            let channel = index % channels
            let y = sums[index] * Double(scale[channel]) + Double(bias[channel]) + residual[index]
            return switch activation {
            case TCU_RELU: max(y, 0)
            case TCU_SIGMOID: 1 / (1 + exp(-y))
            case TCU_SWISH: y / (1 + exp(-y))
            default: y
            }
        }
        for splits in [1, 3] {
            let plan = Self.plan(Self.convolution(channels, .dense), variant, splits: splits)
            let actual = EmulatedConvolution(plan: plan, schedule: TCU_EARLY).forward(
                x, weights, .init(scale: scale, bias: bias, residual: residual, activation: activation))
            expectClose(
                Tensor(shape: [x.count], elements: actual), Tensor(shape: [x.count], elements: expected),
                within: variant.arithmetic == .bf16
                    ? Tolerance(absolute: 0x1p-9, relative: 0x1p-8)
                    : Tolerance(absolute: 1e-6, relative: 1e-6))
        }
    }

    @Test func divisionsAreExact() {
        for value: UInt32 in [
            1, 2, 3, 5, 7, 8, 9, 28, 32, 33, 224, 1000, 65_535, 65_536, 2_147_483_647,
        ] {
            let divisor = tcu_divisor_of(value)
            var numbers: [UInt64] = [0, 1, 2_147_483_646, 2_147_483_647]
            for factor: UInt64 in 1...5 {
                let multiple = UInt64(value) * factor
                numbers += [multiple - 1, multiple, multiple + 1]
            }
            for number in numbers where number < 1 << 31 {
                let high = (number * UInt64(divisor.multiplier)) >> 32
                let quotient = (high + number) >> UInt64(divisor.shift)
                #expect(quotient == number / UInt64(value), "\(number) / \(value)")
            }
        }
    }
}
