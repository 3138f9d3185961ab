import TapestryData
import TapestryRecipes

/// How many steps an epoch has, and which batches they take.
package struct StepPlan: Equatable {
    /// Batches of one pass over the images, each of which comes once, in an order of the pass's own.
    package struct Segment: Equatable {
        package let pass: Int
        package let batches: Range<Int>

        package init(pass: Int, batches: Range<Int>) {
            self.pass = pass
            self.batches = batches
        }
    }

    package let stepsPerEpoch: Int
    package let batchesPerPass: Int

    /// The plan of a process that takes `imageCount` images a pass. Throws `RunError.unsuitable` where they make no batch.
    package init(imageCount: Int, recipe: Recipe) throws(RunError) {
        let (whole, rest) = imageCount.quotientAndRemainder(dividingBy: recipe.batchSize)
        batchesPerPass = recipe.dropLast || rest == 0 ? whole : whole + 1
        guard batchesPerPass > 0 else {
            throw .unsuitable(
                "\(imageCount) images are less than one batch of \(recipe.batchSize), and drop-last leaves out smaller"
                    + " ones; lower --batch-size")
        }
        stepsPerEpoch =
            switch recipe.epochSteps {
            case .allBatches: batchesPerPass
            case .wholeBatches: max(whole, 1)
            }
    }

    /// What the steps of `epoch` from `step` on take, pass by pass.
    package func segments(epoch: Int, from step: Int) -> [Segment] {
        var next = epoch * stepsPerEpoch + step
        let end = (epoch + 1) * stepsPerEpoch
        var segments: [Segment] = []
        while next < end {
            let (pass, first) = next.quotientAndRemainder(dividingBy: batchesPerPass)
            let count = min(batchesPerPass - first, end - next)
            segments.append(Segment(pass: pass, batches: first..<first + count))
            next += count
        }
        return segments
    }
}
