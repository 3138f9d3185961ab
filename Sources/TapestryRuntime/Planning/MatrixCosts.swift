import TapestryCore

// What convolutions cost where a processor multiplies matrices, in multiplications of vectors. The constants come from
// measurements on Sapphire Rapids of such kernels within networks.

extension Convolution {
    /// Of one position of values in bfloat16: a quarter of what vectors cost, where a tap's words fill a register.
    func costPerPosition(byMatricesOf words: Int, lanes: Int) -> Double {
        costPerPosition(lanes: lanes) * relativeCost(ofFullMatrices: 0.25, words: words, lanes: lanes, atMost: 1)
    }

    /// Of one position of floats in three parts, which take six multiplications.
    func costPerPosition(ofPartsByMatricesOf words: Int, lanes: Int) -> Double {
        costPerPosition(lanes: lanes)
            * relativeCost(ofFullMatrices: 0.45, words: words, lanes: lanes, atMost: .infinity)
    }

    /// A multiplication of fewer words takes as long. `most` is what vectors cost, where those are used if they are
    /// faster.
    private func relativeCost(ofFullMatrices cost: Double, words: Int, lanes: Int, atMost most: Double) -> Double {
        var (terms, costs) = (0.0, 0.0)
        for span in spans(lanes: lanes) {
            let own = Double(span.taps.count * span.outputs.count)
            let common = span.wordsInCommon(kernel.area)
            let together = (1...words).last { common.isMultiple(of: $0) } ?? 1
            terms += own
            costs += own * min(cost * Double(words) / Double(together), most)
        }
        return terms > 0 ? costs / terms : most
    }
}

extension OutputSpan {
    /// The greatest common divisor of the words, two channels each, that the taps of a kernel consist of.
    fileprivate func wordsInCommon(_ kernelArea: Int) -> Int {
        var common = 0
        for tap in 0..<kernelArea {
            for range in taps.ranges(at: tap) {
                var words = (range.count + 1) / 2
                while words != 0 { (common, words) = (words, common % words) }
            }
        }
        return common
    }
}
