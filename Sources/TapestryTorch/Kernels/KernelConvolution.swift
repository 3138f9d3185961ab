import CTapestryCUDA
import CTapestryTorch
import TapestryCUDA
import TapestryCore

/// A convolution on a support by Tapestry's own CUDA kernels, for images of one number and size; gradients flow through
/// it. On the host the kernels are emulated, which is for tests: it takes a thousand times as long.
public final class KernelConvolution {
    public let plan: ConvolutionPlan
    /// Kept as long as the plan, which points into it.
    private let module: KernelModule?
    private let handle: OpaquePointer

    /// Precondition: a module is of the plan's variant. Throws where the device has no room for the tables.
    public init(_ plan: ConvolutionPlan, module: KernelModule?, on device: Device) throws(TorchError) {
        precondition(module.map { $0.variant == plan.variant } ?? true)
        (self.plan, self.module) = (plan, module)
        var made: OpaquePointer?
        let status = plan.withDescription { description in
            description.module = module.map { $0.handle }
            return tapestry_kernels_plan(&description, device.handle, &made)
        }
        try check(status, "kernels")
        guard let made else { throw TorchError(operation: "kernels", message: "no plan was made") }
        handle = made
    }

    deinit { tapestry_kernels_release(handle) }

    /// The convolution of N x C x H x W images, channels last.
    ///
    /// `kernel` is dense, O x C/groups x KH x KW and zero off the support; where each channel has one tap it is 1 x 1.
    /// Its gradient is right on the support, and off it whatever the kernels have computed besides.
    public func callAsFunction(
        _ x: TorchTensor, kernel: TorchTensor, bias: TorchTensor?
    ) throws(TorchError) -> TorchTensor {
        var y: OpaquePointer?
        let status = withExtendedLifetime(bias) {
            tapestry_kernels_convolve(handle, x.handle, kernel.handle, bias?.handle, &y)
        }
        try check(status, "kernels")
        guard let y else { throw TorchError(operation: "kernels", message: "no result was made") }
        return TorchTensor(owning: y)
    }
}

extension ConvolutionPlan {
    /// The plan as the shim takes it, for the length of a call; its module is left to the caller.
    fileprivate func withDescription<Result>(
        _ body: (inout tcu_convolution) -> Result
    ) -> Result {
        var description = tcu_convolution()
        description.variant = variant.code
        description.groups = Int32(convolution.groups)
        description.forward = forwardProblem
        description.input_gradient = inputGradientProblem
        description.weight_gradient = weightGradientProblem
        description.return_shift = returnShift
        return forwardTables.withAddresses { forward in
            inputGradientTables.withAddresses { inputGradient in
                patches.withUnsafeBufferPointer { patches in
                    moves.withUnsafeBufferPointer { moves in
                        returnMoves.withUnsafeBufferPointer { returnMoves in
                            description.forward_tables = forward
                            description.input_gradient_tables = inputGradient
                            description.patches = patches.baseAddress
                            description.patch_count = Int64(patches.count)
                            if movesChannels {
                                description.moves = moves.baseAddress
                                description.return_moves = returnMoves.baseAddress
                            }
                            return body(&description)
                        }
                    }
                }
            }
        }
    }
}

extension StepTables {
    fileprivate func withAddresses<Result>(_ body: (tcu_tables) -> Result) -> Result {
        steps.withUnsafeBufferPointer { steps in
            tiles.withUnsafeBufferPointer { tiles in
                body(
                    tcu_tables(
                        steps: steps.baseAddress, step_count: Int64(steps.count), tiles: tiles.baseAddress,
                        tile_count: Int64(tiles.count)))
            }
        }
    }
}
