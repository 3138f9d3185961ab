import CTapestryKernels
import TapestryCore

/// A convolution on a support, trained by Tapestry's own kernels: its value, and the gradients of its input and weights.
///
/// Values are stored densely, N x H x W x C, in the precision of the instruction set; weights and their gradients are
/// floats, O x H x W x I/groups, zero off the support. Images go through in groups that a cache holds: the input is
/// brought into the form that kernels want there, as it is read (`StoredReading`), and never stored that way.
///
/// Sums are added up in an order that the extents alone determine, whatever the number of threads.
public protocol ConvolutionTraining: Sendable {
    var convolution: Convolution { get }
    var outputSize: Size { get }
    var instructionSet: InstructionSet { get }

    /// Whether there are kernels for the gradient of the input too.
    var givesInputGradient: Bool { get }

    /// y = the convolution of `images` images `x`. Where they are asked for, the moments of y.
    func run(
        _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        into y: UnsafeMutableRawPointer, images batch: Int, findsMoments: Bool, _ team: TrainingTeam
    ) -> ChannelMoments?

    /// The gradients of the weights, which go to `weightGradient`, and of the input, each where it is asked for, from that
    /// of the output, `dy`; all other arguments as they were given to `run`. Precondition: `givesInputGradient`, where it
    /// is asked for.
    ///
    /// Returns the sums for the batch norm through which the input was read, where means were given.
    func runBackward(
        _ dy: StoredGradient, _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>,
        images batch: Int, weightGradient: UnsafeMutablePointer<Float>?, inputGradient: InputGradient?,
        _ team: TrainingTeam
    ) -> GradientSums?
}

extension Convolution {
    /// How kernels of an instruction set train it. Nil where there are none for it: an unusual number of channels in bf16,
    /// groups of few channels, masks.
    public func training(
        inputSize: Size, outputSize: Size, on instructionSet: InstructionSet
    ) -> (any ConvolutionTraining)? {
        DepthwiseTraining(self, inputSize: inputSize, outputSize: outputSize, instructionSet: instructionSet)
            ?? TapConvolutionTraining(
                self, inputSize: inputSize, outputSize: outputSize, instructionSet: instructionSet)
    }

    /// The inputs whose gradients take the same taps: of a stride s every s-th row and column. For each phase its first
    /// input, and how many rows and columns of inputs it has.
    func inputPhases(of inputSize: Size) -> [(first: Tap, size: Size)] {
        (0..<min(stride.height, inputSize.height)).flatMap { row in
            (0..<min(stride.width, inputSize.width)).map { column in
                let size = Size(
                    height: (inputSize.height - row + stride.height - 1) / stride.height,
                    width: (inputSize.width - column + stride.width - 1) / stride.width)
                return (Tap(row: row, column: column), size)
            }
        }
    }
}

/// By channel the sum of a gradient, and that of its products with what differs from the mean.
public typealias GradientSums = (sums: [Double], products: [Double])

/// Where the gradient of an input goes.
public struct InputGradient {
    let target: UnsafeMutableRawPointer
    let addend: UnsafeRawPointer?
    let means: [Float]?
    let isOfReading: Bool

    /// The gradient of the input as it is stored, or, with `isOfReading`, of what was read. `addend`, dense like it, is
    /// added to the gradient of what was read. With `means`, sums over the gradient of what the batch norm gave are
    /// gathered.
    public init(
        _ target: UnsafeMutableRawPointer, adding addend: UnsafeRawPointer? = nil, means: [Float]? = nil,
        isOfReading: Bool = false
    ) {
        (self.target, self.addend, self.means, self.isOfReading) = (target, addend, means, isOfReading)
    }

    /// Takes the gradient of what was read of `pixels` pixels, which the target has so many bytes from its start, through
    /// the reading; a part of the sums comes with it.
    func passReading(
        _ reading: StoredReading, of x: UnsafeRawPointer, at offset: Int, pixels: Int, channels: Int,
        sums: ChannelSums, part: Int, by kernels: tk_kernels
    ) {
        guard !isOfReading, reading.rectifies || means != nil else { return }
        let own = target + offset
        reading.withReading { reading in
            if let means {
                kernels.take_gradient(
                    Int64(pixels), Int32(channels), reading, x + offset, means, own, own, sums.first(part),
                    sums.second(part))
            } else {
                kernels.take_gradient(
                    Int64(pixels), Int32(channels), reading, x + offset, nil, own, own, nil, nil)
            }
        }
    }
}

/// A batch in parts of nearly the same number of images, by its size alone.
struct BatchParts {
    let batch: Int
    let size: Int

    var count: Int { (batch + size - 1) / size }

    /// The images of a part.
    subscript(part: Int) -> Range<Int> { part * size..<min(batch, (part + 1) * size) }
}
