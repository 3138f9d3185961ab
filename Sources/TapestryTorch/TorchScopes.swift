import CTapestryTorch
import TapestryCore

extension Torch {
    /// Whether operators called on this thread are recorded for `backward`.
    public static var isGradEnabled: Bool { tapestry_grad_enabled() }

    /// Runs `body` without recording its operators. The state is the thread's: `body` is synchronous for that reason.
    public static func withoutGradients<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = tapestry_grad_enabled()
        tapestry_set_grad_enabled(false)
        defer { tapestry_set_grad_enabled(before) }
        return try body()
    }

    /// Runs `body` with convolutions and linear layers in `type`, while what needs range or precision stays in float32.
    ///
    /// Wrap forward and loss in it, and call `backward` outside. Weights are cast once a scope. Throws for a `type`
    /// other than bfloat16 and float16, and what `body` throws.
    public static func withAutocast<Result>(
        on device: Device, to type: DataType = .bfloat16, _ body: () throws -> Result
    ) throws -> Result {
        var before = TapestryAutocast()
        try check(tapestry_autocast_enter(device.handle.kind, type.code, &before), "autocast")
        defer { tapestry_autocast_exit(before) }
        return try body()
    }
}
