import CTapestryKernels
import TapestryCore

/// The sums that a convolution's weight gradient consists of, over a support and no more.
struct WeightGradientPlan {
    private(set) var products: [tk_product] = []
    private(set) var runs: [tk_run] = []

    /// For an input and a gradient of the output that lie as `layouts` says.
    init(_ convolution: Convolution, _ layouts: TrainingLayouts, kernels: tk_kernels) {
        for span in convolution.supportSpans {
            let (narrow, wide) = kernels.product_sizes
            let size = span.outputs.count <= narrow.outputs || wide.runs < 2 ? narrow : wide
            let lanes = Int(kernels.lanes)
            for group in Self.runs(of: span, convolution, layouts, lanes: lanes) {
                append(group, outputs: span.outputs, width: Int(size.outputs), mostRuns: Int(size.runs))
            }
        }
    }

    /// Runs that are summed up over the same positions.
    private struct Group {
        let runs: [tk_run]
        let rows, columns: Range<Int>
    }

    private mutating func append(_ group: Group, outputs: Range<Int>, width: Int, mostRuns: Int) {
        let parts = (group.runs.count + mostRuns - 1) / mostRuns
        for part in 0..<parts {
            let own = group.runs[group.runs.count * part / parts..<group.runs.count * (part + 1) / parts]
            for first in stride(from: outputs.lowerBound, to: outputs.upperBound, by: width) {
                products.append(
                    tk_product(
                        first_run: Int32(runs.count), run_count: Int32(own.count), first_output: Int32(first),
                        outputs: Int32(min(width, outputs.upperBound - first)), from_row: Int32(group.rows.lowerBound),
                        to_row: Int32(group.rows.upperBound), from_column: Int32(group.columns.lowerBound),
                        to_column: Int32(group.columns.upperBound)))
            }
            runs += own
        }
    }

    private static func runs(
        of span: OutputSpan, _ convolution: Convolution, _ layouts: TrainingLayouts, lanes: Int
    ) -> [Group] {
        let perGroup = convolution.channelsPerGroup
        let group = span.outputs.lowerBound / (convolution.outputChannels / convolution.groups)
        let (dilation, padding) = (convolution.dilation, convolution.padding)
        let input = layouts.input.image
        var groups: [Group] = []
        var all: [tk_run] = []
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            let row = tap.row * dilation.height - padding.top
            let column = tap.column * dilation.width - padding.left
            var own: [tk_run] = []
            for channels in span.taps.exactRanges(at: index) {
                for first in stride(from: channels.lowerBound, to: channels.upperBound, by: lanes) {
                    own.append(
                        tk_run(
                            input: Int64(row) * input.row + Int64(column) * Int64(input.pixel) + Int64(first),
                            weights: Int64((index - group) * perGroup + first),
                            count: Int32(min(lanes, channels.upperBound - first))))
                }
            }
            if layouts.walksImages {
                let rows = layouts.outputs(inside: row, stride: convolution.stride.height, \.height)
                let columns = layouts.outputs(inside: column, stride: convolution.stride.width, \.width)
                if !own.isEmpty, !rows.isEmpty, !columns.isEmpty {
                    groups.append(Group(runs: own, rows: rows, columns: columns))
                }
            } else {
                all += own
            }
        }
        guard !layouts.walksImages else { return groups }
        let (rows, columns) =
            layouts.isFlat
            ? (0..<1, 0..<layouts.flatLength) : (0..<layouts.outputSize.height, 0..<layouts.outputSize.width)
        return all.isEmpty ? [] : [Group(runs: joined(all, lanes: lanes), rows: rows, columns: columns)]
    }

    /// Neighbours in the input and in the weights together, in whole vectors: of few channels, those of several taps.
    private static func joined(_ runs: [tk_run], lanes: Int) -> [tk_run] {
        var joined: [tk_run] = []
        for run in runs {
            if let last = joined.last, last.input + Int64(last.count) == run.input,
                last.weights + Int64(last.count) == run.weights, Int(last.count) + Int(run.count) <= lanes
            {
                joined[joined.count - 1].count += run.count
            } else {
                joined.append(run)
            }
        }
        return joined
    }
}
