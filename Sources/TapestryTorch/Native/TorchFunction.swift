import CTapestryTorch

/// What computes the gradients of the inputs from those of the outputs; nil for those that nothing depends on, and for
/// those that are not needed.
typealias BackwardPass = ([TorchTensor?]) throws(TorchError) -> [TorchTensor?]

extension Torch {
    /// Records that `outputs` were computed from `inputs`, outside of libtorch, by a step whose gradients `backward`
    /// computes. What `backward` captures lives until the gradients have been computed: no output itself, whose history
    /// would hold it (its memory by `detached()` instead).
    ///
    /// Does nothing where gradients are not recorded, or no input needs one.
    static func record(
        _ name: StaticString, inputs: [TorchTensor], outputs: [TorchTensor], backward: @escaping BackwardPass
    ) throws(TorchError) {
        let box = Unmanaged.passRetained(BackwardBox(backward))
        let function = TapestryFunction(
            name: UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), backward: runBackward,
            release: { Unmanaged<BackwardBox>.fromOpaque($0).release() }, context: box.toOpaque())
        let status = tapestry_function_record(
            function, inputs.map(\.handle), Int64(inputs.count), outputs.map(\.handle), Int64(outputs.count))
        withExtendedLifetime((inputs, outputs)) {}
        try check(status, "record")
    }
}

private final class BackwardBox {
    let backward: BackwardPass

    init(_ backward: @escaping BackwardPass) { self.backward = backward }
}

private func runBackward(
    context: UnsafeMutableRawPointer, upstream: UnsafePointer<OpaquePointer?>, upstreamCount: Int64,
    gradients: UnsafeMutablePointer<OpaquePointer?>, gradientCount: Int64
) -> TapestryStatus {
    let box = Unmanaged<BackwardBox>.fromOpaque(context).takeUnretainedValue()
    let above = (0..<Int(upstreamCount)).map { upstream[$0].map(TorchTensor.init(owning:)) }
    // A failing call has left its message where libtorch's step takes it from.
    guard let found = try? box.backward(above), found.count == Int(gradientCount) else { return TAPESTRY_FAILED }
    for (index, gradient) in found.enumerated() {
        guard let gradient else { continue }
        tapestry_tensor_retain(gradient.handle)
        gradients[index] = gradient.handle
    }
    return TAPESTRY_OK
}
