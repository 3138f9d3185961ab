import CTapestryTorch

/// Doors to libtorch that belong to no tensor.
public enum Torch {
    /// Calls the operator `name`, overload after a dot ("aten::add.Tensor"); see `TorchOperator`.
    public static func call(_ name: String, _ arguments: [TorchValue]) throws(TorchError) -> [TorchTensor] {
        try TorchOperator(name).call(arguments)
    }
}

/// An operator of libtorch, called through its dispatcher: autograd, autocast and every device come with it.
///
/// `@unchecked Sendable`: the handle is of an immutable entry that lives as long as the process.
public struct TorchOperator: @unchecked Sendable {
    /// As libtorch has it, overload after a dot: "aten::add.Tensor".
    public let name: String
    private let handle: OpaquePointer

    /// Finds an operator. Throws for an unknown name, and for one that returns anything but tensors and lists of them.
    public init(_ name: String) throws(TorchError) {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        var found: OpaquePointer?
        try check(tapestry_operator_find(parts.first ?? "", parts.count > 1 ? parts[1] : "", &found), name)
        guard let found else { throw TorchError(operation: name, message: "no operator was found") }
        self.name = name
        self.handle = found
    }

    /// The outputs in order, the elements of a list one by one.
    ///
    /// `arguments` are in the schema's order, those only given by keyword too; missing ones at the end take their
    /// defaults. Throws when an argument does not fit the schema, before anything runs, and when the operator fails.
    public func call(_ arguments: [TorchValue]) throws(TorchError) -> [TorchTensor] {
        var outputs: [TorchTensor] = []
        var packed = PackedArguments(arguments)
        let status = withExtendedLifetime(arguments) {
            withUnsafeMutablePointer(to: &outputs) { outputs in
                packed.withArguments { packed in
                    tapestry_operator_call(handle, packed.baseAddress, Int64(packed.count), Self.receive, outputs)
                }
            }
        }
        try check(status, name)
        return outputs
    }

    /// Appends an output to the array of tensors at `context`.
    private static let receive: TapestryReceiver = { context, output in
        context?.assumingMemoryBound(to: [TorchTensor].self).pointee.append(TorchTensor(owning: output))
    }

    /// `call` of an array.
    public func callAsFunction(_ arguments: TorchValue...) throws(TorchError) -> [TorchTensor] { try call(arguments) }
}

/// An operator that Tapestry itself needs, found at its first call; not finding it is that call's error.
struct KnownOperator: Sendable {
    private let found: Result<TorchOperator, TorchError>

    init(_ name: String) {
        found = Result { () throws(TorchError) in try TorchOperator(name) }
    }

    /// Of an operator with one output.
    func callAsFunction(_ arguments: TorchValue...) throws(TorchError) -> TorchTensor {
        let outputs = try all(arguments)
        guard outputs.count == 1 else {
            throw TorchError(operation: try found.get().name, message: "\(outputs.count) outputs, not one")
        }
        return outputs[0]
    }

    func all(_ arguments: [TorchValue]) throws(TorchError) -> [TorchTensor] { try found.get().call(arguments) }
}
