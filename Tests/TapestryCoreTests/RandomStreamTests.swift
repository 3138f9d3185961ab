import TapestryCore
import Testing

struct RandomStreamTests {
    /// From an independent program; a change of these numbers changes every recorded run.
    @Test func goldenValues() {
        var plain = RandomStream(seed: 1, purpose: .initialWeights)
        #expect(
            [plain.next(), plain.next(), plain.next()] == [
                0x0c7b_a33b_3057_6ab0, 0xcebd_2a89_d1b3_1603, 0xda8f_c9c3_1d1b_5149,
            ])
        var indexed = RandomStream(seed: 1, purpose: .dataOrder, 3, 7)
        #expect([indexed.uniform(), indexed.uniform()] == [0.38592019119916987, 0.8291905438150691])
        var extreme = RandomStream(seed: .max, purpose: .test, .max)
        #expect(extreme.next() == 0xe024_174e_4135_0ac4)
    }

    @Test func purposesAndValuesOfPurposeAreFixed() {
        #expect(
            [1, 2, 3, 4, 5].map { RandomStream.Purpose(rawValue: $0) } == [
                .initialWeights, .dataOrder, .augmentation, .dropout, .test,
            ])
    }

    @Test func everyPartOfTheKeyMatters() {
        var firsts: Set<UInt64> = []
        var count = 0
        for seed in [0, 1, .max] as [UInt64] {
            for purpose in [RandomStream.Purpose.initialWeights, .test] {
                var streams = [RandomStream(seed: seed, purpose: purpose)]
                for index in 0..<20 as Range<UInt64> {
                    streams.append(RandomStream(seed: seed, purpose: purpose, index))
                    streams.append(RandomStream(seed: seed, purpose: purpose, index, 0))
                    streams.append(RandomStream(seed: seed, purpose: purpose, 0, index + 1))
                }
                for var stream in streams {
                    firsts.insert(stream.next())
                    count += 1
                }
            }
        }
        #expect(firsts.count == count)
    }

    @Test(arguments: [0, 1, 2, 17, 1000])
    func permutationsHoldEveryNumberOnce(count: Int) {
        var stream = RandomStream(seed: 3, purpose: .test)
        let order = stream.permutation(of: count)
        #expect(order.sorted() == Array(0..<count))
        if count > 10 { #expect(order != Array(0..<count)) }
    }

    /// Six permutations of three, each expected 10,000 times with a deviation of 91.
    @Test func permutationsAreUniform() {
        var stream = RandomStream(seed: 4, purpose: .test)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<60_000 { counts[stream.permutation(of: 3), default: 0] += 1 }
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { abs($0 - 10_000) < 500 })
    }

    @Test func uniformNumbersFillTheirRange() {
        var stream = RandomStream(seed: 5, purpose: .test)
        let values = (0..<100_000).map { _ in stream.uniform(in: -2...6) }
        let mean = values.reduce(0, +) / 1e5
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1e5
        #expect(values.allSatisfy { (-2...6).contains($0) })
        #expect(abs(mean - 2) < 0.04)
        #expect(abs(variance - 64.0 / 12) < 0.1)
        var counts = Array(repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[stream.integer(below: 7)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    }
}
