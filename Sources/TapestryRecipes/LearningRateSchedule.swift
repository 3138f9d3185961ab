import Foundation

/// How the learning rate moves over a run, as a factor of the recipe's rate.
public struct LearningRateSchedule: Hashable, Sendable {
    public enum Shape: Hashable, Sendable {
        case constant
        /// Multiplied by `factor` every `epochs` epochs.
        case step(epochs: Int, factor: Double)
        /// Multiplied by `factor` from each milestone on, a fraction of the run: 0.5 is its middle.
        case multiStep(milestones: [Double], factor: Double)
        /// Half a cosine from 1 down to 0 (Loshchilov and Hutter, "SGDR", 2017, without restarts).
        case cosine
        /// A straight line from 1 down to 0.
        case linear
    }

    public var shape: Shape
    /// Epochs over which the rate first rises in a straight line, from one step's share of it.
    public var warmUpEpochs: Double
    /// Whether the rate moves with every step or with every epoch.
    public var movesEachStep: Bool

    public init(shape: Shape, warmUpEpochs: Double = 0, movesEachStep: Bool = false) {
        self.shape = shape
        self.warmUpEpochs = warmUpEpochs
        self.movesEachStep = movesEachStep
    }

    /// The factor at `step` (from 0) of `epoch` (from 0) in a run of `epochs` epochs of `stepsPerEpoch` steps.
    public func factor(epoch: Int, step: Int, stepsPerEpoch: Int, epochs: Int) -> Double {
        let exactEpoch = Double(epoch) + Double(step) / Double(max(stepsPerEpoch, 1))
        if exactEpoch < warmUpEpochs {
            return min(1, (exactEpoch + 1 / Double(max(stepsPerEpoch, 1))) / warmUpEpochs)
        }
        let position = movesEachStep ? exactEpoch : Double(epoch)
        let share = (position - warmUpEpochs) / max(Double(epochs) - warmUpEpochs, .leastNormalMagnitude)
        switch shape {
        case .constant: return 1
        case .step(let every, let factor): return pow(factor, Double(Int(position) / max(every, 1)))
        case .multiStep(let milestones, let factor):
            // A milestone such as 50/330 has been rounded, and must not come an epoch late for it.
            let share = position / Double(max(epochs, 1)) + 1e-9
            return pow(factor, Double(milestones.filter { share >= $0 }.count))
        case .cosine: return (1 + cos(Double.pi * min(max(share, 0), 1))) / 2
        case .linear: return 1 - min(max(share, 0), 1)
        }
    }
}
