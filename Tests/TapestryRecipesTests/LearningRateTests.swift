import TapestryRecipes
import Testing

@Suite("Learning rates") struct LearningRateTests {
    func rates(_ schedule: LearningRateSchedule, epochs: Int, steps: Int = 1) -> [Double] {
        (0..<epochs).flatMap { epoch in
            (0..<steps).map { schedule.factor(epoch: epoch, step: $0, stepsPerEpoch: steps, epochs: epochs) }
        }
    }

    @Test func askDividesByTenAtAHalfAndThreeQuarters() {
        let factors = rates(Recipe().learningRateSchedule, epochs: 160)
        #expect(factors[79] == 1 && factors[80] == 0.1 && factors[119] == 0.1)
        #expect(abs(factors[120] - 0.01) < 1e-15 && abs(factors[159] - 0.01) < 1e-15)
    }

    @Test func milestonesWithinAnEpochWaitForItsEndUnlessEachStepMoves() {
        #expect(rates(Recipe().learningRateSchedule, epochs: 3) == [1, 1, 0.1])
        var recipe = Recipe()
        recipe.scheduleUnit = .step
        let factors = rates(recipe.learningRateSchedule, epochs: 3, steps: 4)
        #expect(factors[0..<6].allSatisfy { $0 == 1 } && factors[6..<9].allSatisfy { $0 == 0.1 })
        #expect(factors[9...].allSatisfy { abs($0 - 0.01) < 1e-15 })
    }

    @Test func stepsComeAtTheirEpochs() {
        let factors = rates(.init(shape: .step(epochs: 2, factor: 0.5)), epochs: 6)
        #expect(factors == [1, 1, 0.5, 0.5, 0.25, 0.25])
    }

    @Test func cosineAndLineFallFromOneTowardsZero() {
        let cosine = rates(.init(shape: .cosine), epochs: 4)
        #expect(cosine[0] == 1 && abs(cosine[2] - 0.5) < 1e-15 && cosine[3] > 0)
        #expect(rates(.init(shape: .linear), epochs: 4) == [1, 0.75, 0.5, 0.25])
        let steps = rates(.init(shape: .linear, movesEachStep: true), epochs: 2, steps: 2)
        #expect(steps == [1, 0.75, 0.5, 0.25])
    }

    @Test func warmUpRisesInAStraightLine() {
        let factors = rates(.init(shape: .constant, warmUpEpochs: 2), epochs: 4, steps: 2)
        #expect(factors == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
        // What comes after begins where the warm-up ends.
        let cosine = rates(.init(shape: .cosine, warmUpEpochs: 1), epochs: 3)
        #expect(cosine[0] == 1 && cosine[1] == 1 && abs(cosine[2] - 0.5) < 1e-15)
    }
}
