import TapestryRecipes
import TapestryTraining
import Testing

@Suite("Steps of an epoch") struct StepPlanTests {
    private func plan(
        images: Int, batch: Int, _ steps: Recipe.EpochSteps, dropLast: Bool = false
    ) throws -> StepPlan {
        var recipe = Recipe()
        (recipe.batchSize, recipe.epochSteps, recipe.dropLast) = (batch, steps, dropLast)
        return try StepPlan(imageCount: images, recipe: recipe)
    }

    @Test func ofCIFAR() throws {
        let all = try plan(images: 50_000, batch: 128, .allBatches)
        #expect(all.stepsPerEpoch == 391)
        #expect(all.segments(epoch: 7, from: 0) == [.init(pass: 7, batches: 0..<391)])
        #expect(all.segments(epoch: 7, from: 390) == [.init(pass: 7, batches: 390..<391)])
        #expect(all.segments(epoch: 7, from: 391).isEmpty)
        let whole = try plan(images: 50_000, batch: 128, .wholeBatches)
        #expect(whole.stepsPerEpoch == 390)
        #expect(whole.segments(epoch: 0, from: 0) == [.init(pass: 0, batches: 0..<390)])
        #expect(
            whole.segments(epoch: 1, from: 0)
                == [.init(pass: 0, batches: 390..<391), .init(pass: 1, batches: 0..<389)])
        #expect(whole.segments(epoch: 1, from: 5) == [.init(pass: 1, batches: 4..<389)])
        // 400 epochs of 390 steps are 398 passes of 391 batches, and 382 batches more.
        #expect(whole.segments(epoch: 399, from: 389) == [.init(pass: 398, batches: 381..<382)])
        #expect(try plan(images: 50_000, batch: 128, .allBatches, dropLast: true).stepsPerEpoch == 390)
    }

    @Test(arguments: [(100, 16), (96, 16), (5, 16), (33, 16), (17, 1)])
    func everyBatchOfEveryPassComesOnce(images: Int, batch: Int) throws {
        let plan = try plan(images: images, batch: batch, .wholeBatches)
        let taken = (0..<60).flatMap { epoch -> [[Int]] in
            let batches = plan.segments(epoch: epoch, from: 0).flatMap { segment in
                segment.batches.map { [segment.pass, $0] }
            }
            #expect(batches.count == max(images / batch, 1))
            for step in 0...batches.count {
                let rest = plan.segments(epoch: epoch, from: step).flatMap { segment in
                    segment.batches.map { [segment.pass, $0] }
                }
                #expect(rest == Array(batches[step...]))
            }
            return batches
        }
        let expected = taken.indices.map { [$0 / plan.batchesPerPass, $0 % plan.batchesPerPass] }
        #expect(taken == expected)
    }

    @Test func fewerThanOneBatch() throws {
        #expect(try plan(images: 10, batch: 128, .wholeBatches).stepsPerEpoch == 1)
        for steps in Recipe.EpochSteps.allCases {
            #expect(throws: RunError.self) { try plan(images: 10, batch: 128, steps, dropLast: true) }
        }
    }
}
