/// Bounds that every verified graph keeps: they refuse what no machine could hold, and keep the arithmetic on shapes inside
/// `Int` whatever a file says. Products of two bounded counts, such as multiply-adds, can still overflow.
enum Limits {
    /// Of a kernel, stride, dilation, padding or number of channels, and of the taps of a kernel.
    static let extent = 1 << 20
    /// Of the kernel and the dilation of a shift.
    static let shift = 1 << 10
    /// Of the weights of one convolution or linear layer, zeros off the support included.
    static let weightCount = 1 << 34
    /// Of one node's value for one image.
    static let valueCount = 1 << 34
}
