/// Adders in a tree: numbers are added in pairs, then the sums of these, and so on. A sum of two numbers needs one bit more
/// than they have, so the first levels, which have the most adders, are made of narrow ones.
public enum TreeAdder {
    /// An adder is never wider.
    static let widest = 32

    /// What adding up so many numbers of `bits` bits costs, in additions of 32 bits. A number that is left over goes to the
    /// next level as it is.
    ///
    /// `operands` need not be whole: the published program puts in the mean over a layer's filters, less one.
    public static func cost(operands: Double, bits: Int) -> Double {
        var (left, width, cost) = (operands, bits, 0.0)
        while left > 1 {
            cost += (left / 2).rounded(.down) * Double(width)
            left = (left / 2).rounded(.up)
            width = min(width + 1, widest)
        }
        return cost / Double(widest)
    }
}
