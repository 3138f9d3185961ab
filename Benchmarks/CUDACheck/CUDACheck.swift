import ArgumentParser
import Foundation
import TapestryCUDA
import TapestryCore
import TapestryTorch

/// `./dev cuda-check`: every CUDA kernel beside libtorch's convolution with the masked kernel, on a GPU.
@main struct CUDACheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cuda-check", abstract: "Compare Tapestry's CUDA kernels with cuDNN on a GPU.")

    @Option(help: "The GPU.") var device = 0
    @Option(help: "Images at a time.") var batch = 256
    @Flag(help: "Run the kernels' emulation on the host instead, on small layers, without times.") var emulated = false

    func validate() throws {
        guard device >= 0, batch > 0 else { throw ValidationError("--device is 0 or more, --batch 1 or more") }
    }

    func run() throws {
        let place: Device = emulated ? .cpu : .cuda(device)
        let gpu: GPUKernels?
        do {
            try TorchRuntime.start(threads: 1, device: place, deterministic: false)
            gpu = emulated ? nil : try GPUKernels(device: device)
        } catch {
            FileHandle.standardError.write(Data("cuda-check: \(error)\n".utf8))
            throw ExitCode(69)
        }
        print("layer  support  kernels  error: y, dx, dw  times faster: forward, both")
        var isRight = true
        for layer in emulated ? Layer.small : Layer.measured {
            for variant in KernelVariant.all
            where ConvolutionPlan.obstacle(
                to: layer.convolution, arithmetic: variant.arithmetic) == nil
            {
                let check = try Check(layer, images: emulated ? 2 : batch, variant, on: place, gpu)
                let errors = try check.errors()
                let isClose = errors.allSatisfy { $0 <= check.allowed }
                isRight = isRight && isClose
                let times = emulated ? [] : try check.speedUps(on: device)
                print(
                    layer.name, variant, errors.map(rounded).joined(separator: " "),
                    times.map(rounded).joined(separator: " "), isClose ? "" : "WRONG", separator: "  ")
            }
        }
        if !isRight { throw ExitCode(1) }
    }

    private func rounded(_ number: Double) -> String {
        number < 0.1 ? "\((number * 1e7).rounded() / 1e7)" : "\((number * 100).rounded() / 100)"
    }
}

/// A convolution and the side of its square images.
private struct Layer {
    let name: String
    let convolution: Convolution
    let side: Int

    init(_ channels: Int, side: Int, _ name: String, stride: Int = 1, _ support: Support) {
        self.name = "\(channels)x\(side)x\(side)  \(name)"
        self.side = side
        convolution = Convolution(
            inputChannels: channels, outputChannels: channels, kernel: .square(3), stride: .square(stride),
            padding: .all(1), support: support)
    }

    private static func supports(channels: Int) -> [(String, Support)] {
        func sets(_ numbers: [[Int]]) -> Support { .tapSets(numbers.map { try! TapSet(numbers: $0) }) }
        let shifted = Shift().taps(channels: channels)
        return [
            ("dense", .dense), ("ASK_5a", sets([[2, 4, 5, 6, 8]])),
            ("ASK_4a", sets([[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]])),
            ("HetConv(4)", .blockDiagonal(parts: 4)), ("shift", .channelTaps(shifted)),
        ]
    }

    /// As wide and as large as VGG-16's and ResNet-20's.
    static let measured = [(16, 32), (64, 32), (128, 16), (256, 8), (512, 4)].flatMap { channels, side in
        supports(channels: channels).map { Layer(channels, side: side, $0.0, $0.1) }
    }

    static let small = supports(channels: 32).flatMap { name, support in
        [1, 2].map { Layer(32, side: 6, "\(name)/\($0)", stride: $0, support) }
    }
}

/// One layer by one variant.
private struct Check {
    private let convolution: Convolution
    private let kernels: KernelConvolution
    private let x, kernel, mask, upstream: TorchTensor
    /// The kernel as libtorch takes it: the full one, where channels are moved too.
    private let full: TorchTensor
    /// The largest difference, in parts of the largest value.
    let allowed: Double

    init(
        _ layer: Layer, images: Int, _ variant: KernelVariant, on device: Device, _ gpu: GPUKernels?
    ) throws {
        convolution = layer.convolution
        let (size, channels) = (Size.square(layer.side), convolution.outputChannels)
        let output = Size.square((layer.side - 1) / convolution.stride.height + 1)
        let plan = ConvolutionPlan(
            convolution, images: images, inputSize: size, outputSize: output, variant: variant,
            splits: .init(forward: 2, inputGradient: 2, weightGradient: 16))
        kernels = try KernelConvolution(plan, module: gpu.map { try $0.module(of: variant) }, on: device)
        let type: DataType = variant.arithmetic == .bf16 ? .bfloat16 : .float32
        allowed = variant.arithmetic == .fp32 ? 1e-4 : 0.02
        var stream = RandomStream(seed: 5, purpose: .measurement)
        func random(_ shape: Shape) throws -> TorchTensor {
            let values = Tensor(shape: shape, elements: (0..<shape.count).map { _ in stream.uniform(in: -1...1) })
            return try TorchTensor(values, as: type, on: device, memoryFormat: .channelsLast)
        }
        x = try random([images, channels, size.height, size.width])
        upstream = try random([images, channels, output.height, output.width])
        var ones = Tensor<Float>(shape: convolution.denseWeightShape, repeating: 0)
        convolution.forEachWeight { ones.elements[$2] = 1 }
        let support = try TorchTensor(ones, as: type, on: device, memoryFormat: .channelsLast)
        full = try random(convolution.denseWeightShape).multiply(by: support)
        if plan.movesChannels {
            // The one tap of each channel, brought together.
            kernel = try full.sum(over: [2, 3], keepingAxes: true)
            mask = support
        } else {
            (kernel, mask) = (full, support)
        }
    }

    private func ours(_ x: TorchTensor, _ kernel: TorchTensor) throws -> TorchTensor {
        try kernels(x, kernel: kernel, bias: nil)
    }

    private func theirs(_ x: TorchTensor, _ kernel: TorchTensor) throws -> TorchTensor {
        let (padding, stride) = (convolution.padding.top, convolution.stride.height)
        return try x.convolution(weight: kernel, stride: [stride, stride], padding: [padding, padding])
    }

    /// The largest differences of the outputs, the input's gradient and the weights' gradient.
    func errors() throws -> [Double] {
        func passes(
            _ kernel: TorchTensor, _ run: (TorchTensor, TorchTensor) throws -> TorchTensor
        ) throws -> [TorchTensor] {
            let (image, weights) = (try x.detached(), try kernel.detached())
            try image.setRequiresGrad(true)
            try weights.setRequiresGrad(true)
            let y = try run(image, weights)
            try y.backward(upstream: upstream)
            return try [y, image.grad!, weights.grad!].map { try $0.detached().to(as: .float32) }
        }
        var mine = try passes(kernel, ours)
        var other = try passes(full, theirs)
        let onSupport = try other[2].multiply(by: try mask.to(as: .float32))
        if kernels.plan.movesChannels {
            other[2] = try onSupport.sum(over: [2, 3], keepingAxes: true)
        } else {
            (mine[2], other[2]) = (try mine[2].multiply(by: try mask.to(as: .float32)), onSupport)
        }
        return try zip(mine, other).map { mine, other in
            let (mine, other) = (try mine.host().elements, try other.host().elements)
            let largest = other.reduce(0) { max($0, abs($1)) }
            return Double(zip(mine, other).reduce(0) { max($0, abs($1.0 - $1.1)) } / max(largest, 1e-20))
        }
    }

    /// How many times faster than libtorch's, which is cuDNN's: forward, and with both gradients.
    func speedUps(on device: Int) throws -> [Double] {
        let forward = try Torch.withoutGradients {
            try milliseconds(device) { _ = try theirs(x, full) } / milliseconds(device) { _ = try ours(x, kernel) }
        }
        func training(
            _ kernel: TorchTensor, _ run: (TorchTensor, TorchTensor) throws -> TorchTensor
        ) throws -> Double {
            let (image, weights) = (try x.detached(), try kernel.detached())
            try image.setRequiresGrad(true)
            try weights.setRequiresGrad(true)
            return try milliseconds(device) { try run(image, weights).backward(upstream: upstream) }
        }
        return [forward, try training(full, theirs) / training(kernel, ours)]
    }

    /// The shortest of ten, after three to warm up.
    private func milliseconds(_ device: Int, _ work: () throws -> Void) throws -> Double {
        try (0..<13).map { _ in
            try TorchRuntime.milliseconds(on: device) { () throws(TorchError) in
                do { try work() } catch let error as TorchError { throw error } catch {
                    throw TorchError(operation: "cuda-check", message: "\(error)")
                }
            }
        }.dropFirst(3).min() ?? .infinity
    }
}
