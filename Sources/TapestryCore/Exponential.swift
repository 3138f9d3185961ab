extension Double {
    /// e^x to within 2 units in the last place, without Foundation, which this module does not import.
    ///
    /// x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r, and r's Taylor series is exact after 14 terms.
    static func exponential(_ x: Double) -> Double {
        guard x < 710 else { return x.isNaN ? x : .infinity }
        guard x > -746 else { return x.isNaN ? x : 0 }
        let n = (x / 0.693_147_180_559_945_3).rounded()
        // ln 2 in two pieces, of which the first times n is exact.
        let r = (x - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45
        var sum = 1.0
        for term in stride(from: 14.0, to: 0, by: -1) { sum = 1 + r / term * sum }
        // In two steps, so that neither power overflows where the result does not.
        let half = Int(n) / 2
        return sum * Double(sign: .plus, exponent: half, significand: 1)
            * Double(sign: .plus, exponent: Int(n) - half, significand: 1)
    }

    /// 1 / (1 + e^-x), exact at both ends.
    static func sigmoid(_ x: Double) -> Double {
        if x >= 0 { return 1 / (1 + exponential(-x)) }
        let power = exponential(x)
        return power / (1 + power)
    }
}
