import CTapestryTorch
import TapestryCUDA
import TapestryCore

/// Computes convolutions on a GPU in the way that is fastest for each, by measurement: as libtorch (cuDNN) computes the
/// masked kernel, as it computes the rectangles of its taps, or by Tapestry's own kernels. So none is slower than the
/// first, which costs what the dense convolution costs.
///
/// A way is measured when images of a number and size come for the first time, forward and backward where gradients are
/// wanted, and kept in a file. What is measured can change with the machine's load; results then differ in rounding.
final class ConvolutionChooser {
    /// Where kernels run.
    enum Place {
        case gpu(GPUKernels)
        /// On the host, always by kernels of tiles of this shape: for tests.
        case emulation(shape: Int)
    }

    /// A convolution as it comes.
    struct Key: Hashable {
        let convolution: Convolution
        let images: Int
        let inputSize: Size
        let arithmetic: KernelArithmetic
        let wantsGradients: Bool
    }

    private enum Way {
        case masked
        case windows(ConvolutionRealization)
        case kernels(KernelConvolution)
    }

    private let place: Place
    private var chosen: [Key: Way] = [:]

    init(_ place: Place) { self.place = place }

    /// What a realization computes from the same kernel; nil where none of that is for kernels of our own.
    func callAsFunction(
        _ x: TorchTensor, _ realization: ConvolutionRealization, kernels: [TorchTensor], bias: TorchTensor?,
        displacement: TorchTensor?
    ) throws(TorchError) -> TorchTensor {
        let arithmetic = KernelArithmetic.used(for: x)
        let convolution = realization.convolution
        // The full kernel, masked; or that of the channels once they were moved.
        let isPlain = kernels.count == 1 && (realization.movedTaps != nil || !convolution.movesChannels)
        guard isPlain, ConvolutionPlan.obstacle(to: convolution, arithmetic: arithmetic) == nil else {
            return try realization(x, kernels: kernels, bias: bias, displacement: displacement)
        }
        let key = Key(
            convolution: convolution, images: x.shape[0], inputSize: Size(height: x.shape[2], width: x.shape[3]),
            arithmetic: arithmetic, wantsGradients: Torch.isGradEnabled)
        func run(_ way: Way, _ x: TorchTensor, _ kernel: TorchTensor) throws(TorchError) -> TorchTensor {
            switch way {
            case .masked: try realization(x, kernels: [kernel], bias: bias, displacement: displacement)
            case .windows(let windows): try windows(x, kernels: try windows.windows(of: kernel), bias: bias)
            case .kernels(let kernels): try kernels(x, kernel: kernel, bias: bias)
            }
        }
        if let way = chosen[key] { return try run(way, x, kernels[0]) }
        let outputShape = try outputSize(of: key)
        let way = try choose(for: key, outputSize: outputShape) { way throws(TorchError) in
            try self.seconds(of: key, x, kernels[0]) { x, kernel throws(TorchError) in try run(way, x, kernel) }
        }
        chosen[key] = way
        return try run(way, x, kernels[0])
    }

    private func outputSize(of key: Key) throws(TorchError) -> Size {
        let input = Shape([key.convolution.inputChannels, key.inputSize.height, key.inputSize.width])
        let graph = try? Graph.build(input: input) { $0.applying(.convolution(key.convolution), named: "c") }
        guard let shape = try? graph?.outputShapes().first else {
            throw TorchError(operation: "convolution", message: "images of \(key.inputSize) are too small for it")
        }
        return Size(height: shape[1], width: shape[2])
    }

    // MARK: - Choosing

    private func choose(
        for key: Key, outputSize: Size, seconds: (Way) throws(TorchError) -> Double
    ) throws(TorchError) -> Way {
        func plan(_ shape: Int, splits: Int) -> ConvolutionPlan {
            ConvolutionPlan(
                key.convolution, images: key.images, inputSize: key.inputSize, outputSize: outputSize,
                variant: KernelVariant(key.arithmetic, shape: shape),
                splits: .init(forward: splits, inputGradient: splits, weightGradient: 4 * splits))
        }
        switch place {
        case .emulation(let shape):
            return .kernels(try KernelConvolution(plan(shape, splits: 2), module: nil, on: .cpu))
        case .gpu(let gpu):
            func make(_ name: Substring) throws(TorchError) -> Way? {
                let parts = name.split(separator: " ").compactMap { Int($0) }
                if name == "masked" { return .masked }
                if name == "windows" { return ConvolutionRealization(windowsOf: key.convolution).map(Way.windows) }
                guard parts.count == 2, 0..<KernelVariant.shapeCount ~= parts[0], 1...64 ~= parts[1] else { return nil }
                let plan = plan(parts[0], splits: parts[1])
                let module: KernelModule
                do throws(CUDAError) {
                    module = try gpu.module(of: plan.variant)
                } catch {
                    throw TorchError(operation: "kernels", message: error.description)
                }
                return .kernels(try KernelConvolution(plan, module: module, on: .cuda(gpu.index)))
            }
            let name = "\(gpu.description) \(key)"
            if let kept = gpu.store.choice(named: name), let way = try make(Substring(kept)) { return way }
            var best = (way: Way.masked, name: "masked", seconds: try seconds(.masked))
            let shapes = (0..<KernelVariant.shapeCount).flatMap { shape in [1, 4, 16].map { "\(shape) \($0)" } }
            for candidate in ["windows"] + shapes {
                // What cannot run here, for want of memory say, is no candidate.
                guard let way = try? make(Substring(candidate)), let time = try? seconds(way) else { continue }
                if time < best.seconds { best = (way, candidate, time) }
            }
            gpu.store.keep(choice: best.name, named: name)
            return best.way
        }
    }

    /// The shortest of five, after two to warm up.
    private func seconds(
        of key: Key, _ x: TorchTensor, _ kernel: TorchTensor,
        run: (TorchTensor, TorchTensor) throws(TorchError) -> TorchTensor
    ) throws(TorchError) -> Double {
        guard case .cuda(let index) = x.device else { return 0 }
        let (image, weights) = (try x.detached(), try kernel.detached())
        if key.wantsGradients {
            try image.setRequiresGrad(true)
            try weights.setRequiresGrad(true)
        }
        var times: [Double] = []
        for _ in 0..<7 {
            times.append(
                try TorchRuntime.milliseconds(on: index) { () throws(TorchError) in
                    let y = try run(image, weights)
                    if key.wantsGradients { try y.backward(upstream: y.detached()) }
                })
        }
        return times.dropFirst(2).min() ?? .infinity
    }
}

extension KernelArithmetic {
    /// What a convolution of x is computed in on this thread now: autocast decides, and whether TF32 is allowed.
    fileprivate static func used(for x: TorchTensor) -> KernelArithmetic {
        if tapestry_kernels_use_bfloat16(x.handle) { return .bf16 }
        return tapestry_tf32() ? .tf32 : .fp32
    }
}

extension Convolution {
    fileprivate var movesChannels: Bool { if case .channelTaps = support { true } else { false } }
}

extension ConvolutionRealization {
    /// The kernels of these windows, cut out of the full one.
    fileprivate func windows(of kernel: TorchTensor) throws(TorchError) -> [TorchTensor] {
        var windows: [TorchTensor] = []
        for piece in pieces {
            var groups: [TorchTensor] = []
            for group in piece.groups {
                groups.append(
                    try kernel.narrow(along: 0, start: group.outputs.lowerBound, length: group.outputs.count)
                        .narrow(along: 2, start: group.origin.row, length: piece.kernel.height)
                        .narrow(along: 3, start: group.origin.column, length: piece.kernel.width))
            }
            windows.append(groups.count == 1 ? groups[0] : try TorchTensor.concatenate(groups, along: 0))
        }
        return windows
    }
}
