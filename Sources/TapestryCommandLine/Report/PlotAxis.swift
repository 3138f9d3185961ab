import Foundation

/// A range of values along a side of a plot, and the round numbers marked on it.
package struct PlotAxis: Sendable {
    package struct Tick: Equatable, Sendable {
        package let value: Double
        package let label: String
    }

    package let lower: Double
    package let upper: Double
    package let ticks: [Tick]
    private let isLogarithmic: Bool

    /// Where a value lies: 0 at the lower end, 1 at the upper.
    package func position(of value: Double) -> Double {
        isLogarithmic
            ? (log10(value) - log10(lower)) / (log10(upper) - log10(lower)) : (value - lower) / (upper - lower)
    }

    /// From a round number at or below the least value to one at or above the greatest, in about five steps.
    package init(linear values: [Double]) {
        var (least, greatest) = (values.min() ?? 0, values.max() ?? 1)
        if greatest - least <= 1e-9 * max(abs(least), abs(greatest)) {
            // One value only: it comes to stand in the middle.
            (least, greatest) = least == 0 ? (0, 1) : (least - abs(least) * 0.1, least + abs(least) * 0.1)
        }
        let step = Self.roundStep((greatest - least) / 5)
        let (first, last) = ((least / step).rounded(.down), (greatest / step).rounded(.up))
        (lower, upper) = (first * step, last * step)
        ticks = stride(from: first, through: last, by: 1).map {
            Tick(value: $0 * step, label: Self.label($0 * step, step))
        }
        isLogarithmic = false
    }

    /// Over whole decades, every one of them marked, or every second and so on where they are many.
    ///
    /// Precondition: the values are positive.
    package init(logarithmic values: [Double]) {
        // Within what a Double holds to all its digits; and a power of ten must not round to the next.
        let first = max((log10(values.min() ?? 0.1) + 1e-9).rounded(.down), -307)
        let last = max((log10(values.max() ?? 1) - 1e-9).rounded(.up), first + 1)
        (lower, upper) = (pow(10, first), pow(10, last))
        let step = ((last - first) / 6).rounded(.up)
        ticks = stride(from: first, through: last, by: step).map { exponent in
            Tick(value: pow(10, exponent), label: pow(10, exponent).significant(6))
        }
        isLogarithmic = true
    }

    /// From the first epoch to the last, marked at whole numbers.
    package init(epochs: ClosedRange<Int>) {
        let isOne = epochs.lowerBound == epochs.upperBound
        lower = Double(epochs.lowerBound) - (isOne ? 0.5 : 0)
        upper = Double(epochs.upperBound) + (isOne ? 0.5 : 0)
        let step = max(1, Self.roundStep((upper - lower) / 10))
        ticks = stride(from: (lower / step).rounded(.up), through: (upper / step).rounded(.down), by: 1).map {
            Tick(value: $0 * step, label: Int($0 * step).grouped)
        }
        isLogarithmic = false
    }

    /// The least of 1, 2 and 5 times a power of ten that is not less than `step`.
    private static func roundStep(_ step: Double) -> Double {
        let power = pow(10, log10(step).rounded(.down))
        // Rounding in the logarithm must not turn a step of exactly 2 into one of 5.
        return ([1, 2, 5].first { $0 * power >= step * (1 - 1e-9) } ?? 10) * power
    }

    /// With as many decimals as the step has.
    private static func label(_ value: Double, _ step: Double) -> String {
        if abs(value) >= 1e6 || step < 1e-4 { return value.significant(6) }
        return value.decimals(Int(max(0, -(log10(step) + 1e-9).rounded(.down))))
    }
}
