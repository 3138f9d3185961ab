import TapestryCore
import Testing

struct ConvolutionValidationTests {
    private static let valid = Convolution(
        inputChannels: 4, outputChannels: 6, kernel: .square(3), padding: .all(1), groups: 2)

    @Test func whatFitsIsAccepted() throws {
        try Self.valid.validate()
        var convolution = Self.valid
        convolution.padding = Padding(top: 0, left: 1, bottom: 2, right: 1 << 20)
        try convolution.validate()
    }

    /// Each extent in turn at the values next to its bounds and at those whose arithmetic overflows.
    @Test(arguments: [Int.min, -1, 0, (1 << 20) + 1, Int.max])
    func extentsOutOfBoundsAreRefused(value: Int) {
        let extents: [WritableKeyPath<Convolution, Int>] = [
            \.inputChannels, \.outputChannels, \.kernel.height, \.kernel.width, \.stride.height, \.stride.width,
            \.dilation.height, \.dilation.width, \.groups,
        ]
        for extent in extents {
            var convolution = Self.valid
            convolution[keyPath: extent] = value
            #expect(throws: SupportError("an extent of the convolution lies outside 1...1048576")) {
                try convolution.validate()
            }
        }
    }

    @Test(arguments: [Int.min, -(1 << 20) - 1, (1 << 20) + 1, Int.max])
    func paddingOutOfBoundsIsRefused(value: Int) {
        let sides: [WritableKeyPath<Convolution, Int>] = [
            \.padding.top, \.padding.left, \.padding.bottom, \.padding.right,
        ]
        for side in sides {
            var convolution = Self.valid
            convolution[keyPath: side] = value
            #expect(throws: SupportError("a side of the convolution's padding lies outside -1048576...1048576")) {
                try convolution.validate()
            }
        }
    }

    @Test(arguments: [(4, 6, 4), (4, 6, 3)])
    func groupsMustDivideBothChannelCounts(inputs: Int, outputs: Int, groups: Int) {
        let convolution = Convolution(
            inputChannels: inputs, outputChannels: outputs, kernel: .square(1), groups: groups)
        #expect(throws: SupportError("\(groups) groups do not divide 4 input and 6 output channels")) {
            try convolution.validate()
        }
    }

    @Test func moreWeightsThanAnyMachineHoldsAreRefused() throws {
        let limit = 1 << 20
        let impossible = [
            Convolution(inputChannels: limit, outputChannels: limit, kernel: .square(1)),
            Convolution(inputChannels: 1, outputChannels: 1, kernel: .square(limit)),
            Convolution(inputChannels: limit, outputChannels: limit, kernel: .square(limit)),
            Convolution(inputChannels: 1, outputChannels: 1, kernel: Size(height: limit, width: 2)),
        ]
        for convolution in impossible {
            #expect(throws: SupportError("more than 17179869184 weights")) { try convolution.validate() }
        }
        try Convolution(inputChannels: limit, outputChannels: limit, kernel: .square(1), groups: limit).validate()
    }

    @Test func supportsThatDoNotFitAreRefused() throws {
        let corner = try TapSet(numbers: [9])
        let cases: [(Support, Size, String)] = [
            (.tapSets([]), .square(3), "no tap sets"),
            (.tapSets([corner, corner, corner, corner]), .square(3), "4 tap sets do not divide 6 output channels"),
            (.tapSets([corner]), Size(height: 2, width: 3), "a tap lies outside the 2x3 kernel"),
            (.tapSets([corner]), Size(height: 3, width: 2), "a tap lies outside the 3x2 kernel"),
            (.mask(WeightMask(size: 107) { _ in true }), .square(3), "a mask of 107 positions on 108 weights"),
            (.mask(WeightMask(size: 0) { _ in true }), .square(3), "a mask of 0 positions on 108 weights"),
        ]
        for (support, kernel, reason) in cases {
            var convolution = Self.valid
            convolution.kernel = kernel
            convolution.support = support
            #expect(throws: SupportError(reason)) { try convolution.validate() }
        }
    }
}
