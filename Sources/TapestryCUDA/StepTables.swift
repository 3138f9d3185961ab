import CTapestryCUDA
import TapestryCore

/// What a convolution's blocks of outputs sum over, as kernels read it.
public struct StepTables: Sendable {
    public private(set) var steps: [tcu_step] = []
    public private(set) var tiles: [tcu_tile] = []

    /// Tiles of at most `columns` outputs: neighbouring vectors of outputs share one as long as that adds no more steps
    /// than a tile of its own would have.
    ///
    /// `stepsOf(output)` has the places of the steps of a vector of outputs in `list`, ascending; `outputs` are vectors
    /// of a group, of `vector` channels.
    private mutating func append(
        outputs: Range<Int>, vector: Int, columns: Int, phase: Tap = Tap(row: 0, column: 0), list: [tcu_step],
        stepsOf: (Int) -> [Int]
    ) {
        var first = outputs.lowerBound
        var shared: Set<Int> = []
        func close(_ tables: inout StepTables, before end: Int) {
            guard end > first else { return }
            let start = tables.steps.count
            tables.steps += shared.sorted().map { list[$0] }
            while (tables.steps.count - start) % Int(TCU_CHUNK_STEPS) != 0 {
                tables.steps.append(tcu_step(dy: 0, dx: 0, channel: Int32(TCU_NOTHING), weight: 0))
            }
            tables.tiles.append(
                tcu_tile(
                    first_output: Int32(first * vector), output_count: Int32((end - first) * vector),
                    first_step: Int32(start), step_count: Int32(tables.steps.count - start),
                    phase_y: Int32(phase.row), phase_x: Int32(phase.column)))
        }
        for output in outputs {
            let own = Set(stepsOf(output))
            let joined = shared.union(own)
            let fits = (output + 1 - first) * vector <= columns
            if output > first, !fits || joined.count > shared.count + own.count {
                close(&self, before: output)
                (first, shared) = (output, own)
            } else {
                shared = joined
            }
        }
        close(&self, before: outputs.upperBound)
    }
}

extension StepTables {
    /// Of a convolution: outputs sum over vectors of input channels.
    init(forwardOf support: VectorSupport, columns: Int) {
        let convolution = support.convolution
        for group in 0..<convolution.groups {
            let list = support.taps.enumerated().flatMap { number, tap in
                (0..<support.inputVectors).map { input in
                    tcu_step(
                        dy: Int32(tap.row * convolution.dilation.height - convolution.padding.top),
                        dx: Int32(tap.column * convolution.dilation.width - convolution.padding.left),
                        channel: Int32((group * support.inputVectors + input) * support.vector),
                        weight: Int32((number * support.inputVectors + input) * support.vector))
                }
            }
            let outputs = group * support.outputVectors..<(group + 1) * support.outputVectors
            append(outputs: outputs, vector: support.vector, columns: columns, list: list) { output in
                list.indices.filter {
                    support.contains(
                        output: output, tap: $0 / support.inputVectors, input: $0 % support.inputVectors)
                }
            }
        }
    }

    /// Of its input's gradient: input channels sum over vectors of outputs. With a stride each phase of the input has
    /// taps of its own, and so tiles.
    init(inputGradientOf support: VectorSupport, columns: Int) {
        let (convolution, stride) = (support.convolution, support.convolution.stride)
        for phase in Tap.all(of: stride) {
            // The output whose tap reads this phase's first pixel; none where the stride steps over it.
            let sources = support.taps.map { tap -> (dy: Int, dx: Int)? in
                let y = phase.row + convolution.padding.top - tap.row * convolution.dilation.height
                let x = phase.column + convolution.padding.left - tap.column * convolution.dilation.width
                guard y % stride.height == 0, x % stride.width == 0 else { return nil }
                return (y / stride.height, x / stride.width)
            }
            for group in 0..<convolution.groups {
                let list = support.taps.indices.flatMap { tap in
                    (0..<support.outputVectors).map { output in
                        tcu_step(
                            dy: Int32(sources[tap]?.dy ?? 0), dx: Int32(sources[tap]?.dx ?? 0),
                            channel: Int32((group * support.outputVectors + output) * support.vector),
                            weight: Int32((tap * support.outputVectors + output) * support.vector))
                    }
                }
                let inputs = group * support.inputVectors..<(group + 1) * support.inputVectors
                append(outputs: inputs, vector: support.vector, columns: columns, phase: phase, list: list) { input in
                    list.indices.filter {
                        let (tap, output) = ($0 / support.outputVectors, $0 % support.outputVectors)
                        return sources[tap] != nil
                            && support.contains(
                                output: group * support.outputVectors + output, tap: tap,
                                input: input % support.inputVectors)
                    }
                }
            }
        }
    }

    /// The patches that cover the gradient of the weights, `rows` channels of a tile's steps each.
    func patches(rows: Int, vector: Int) -> [tcu_patch] {
        tiles.enumerated().flatMap { index, tile in
            stride(from: 0, to: Int(tile.step_count), by: rows / vector).map {
                tcu_patch(tile: Int32(index), step: Int32($0))
            }
        }
    }
}
