/// Averages of parameters that follow them slowly: a ← decay·a + (1 − decay)·p after every step.
///
/// They often do better at evaluation than the parameters themselves. Polyak and Juditsky, "Acceleration of stochastic
/// approximation by averaging". To average a batch norm's running statistics too, name them among the parameters.
public final class ExponentialMovingAverage {
    public let decay: Double
    /// The averages, under their parameters' names.
    public let averages: [NamedTensor]
    private let parameters: [NamedTensor]

    /// Starts from copies of the parameters. Precondition: `decay` in 0...1. Throws for parameters of several types or
    /// devices or of equal names.
    public init(parameters: [NamedTensor], decay: Double) throws(TorchError) {
        precondition((0...1).contains(decay), "decay \(decay)")
        try parameters.checkAlike(for: "moving average")
        self.parameters = parameters
        self.decay = decay
        averages = try Self.copies(of: parameters)
    }

    /// Moves the averages towards the parameters of now.
    public func update() throws(TorchError) {
        guard !parameters.isEmpty else { return }
        _ = try Torch.withoutGradients { () throws(TorchError) in
            try Aten.foreachLerp.all([
                .tensors(averages.map(\.tensor)), .tensors(parameters.map(\.tensor)), .real(1 - decay),
            ])
        }
    }

    /// Runs `body` with the averages' values in the parameters, and then puts the parameters' own back, bit by bit,
    /// also when `body` throws.
    public func withAverages<Result>(_ body: () throws -> Result) throws -> Result {
        let own = try Self.copies(of: parameters)
        try parameters.copy(from: averages, for: "moving average")
        let result = Swift.Result { try body() }
        try parameters.copy(from: own, for: "moving average")
        return try result.get()
    }

    /// Takes over averages saved before. Throws, unchanged, unless names and shapes are those of the parameters.
    public func load(_ saved: [NamedTensor]) throws(TorchError) {
        try averages.copy(from: saved, for: "moving average")
    }

    private static func copies(of tensors: [NamedTensor]) throws(TorchError) -> [NamedTensor] {
        var copies: [NamedTensor] = []
        try Torch.withoutGradients { () throws(TorchError) in
            for element in tensors {
                copies.append(NamedTensor(name: element.name, tensor: try element.tensor.cloned()))
            }
        }
        return copies
    }
}
