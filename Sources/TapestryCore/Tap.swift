/// One position of a kernel, counted from its top left corner.
public struct Tap: Hashable, Sendable {
    public let row: Int
    public let column: Int

    public init(row: Int, column: Int) {
        self.row = row
        self.column = column
    }

    /// The tap with a number counted from 1 row by row, as published tap sets do: in a 3x3 kernel 1 is top left, 5 the
    /// centre, 9 bottom right. Nil where the kernel has no such tap.
    public init?(number: Int, in kernel: Size) {
        guard number >= 1, number <= kernel.area else { return nil }
        self.init(row: (number - 1) / kernel.width, column: (number - 1) % kernel.width)
    }

    public func number(in kernel: Size) -> Int { row * kernel.width + column + 1 }

    /// Every tap of a kernel, row by row.
    public static func all(of kernel: Size) -> [Tap] {
        (0..<kernel.height).flatMap { row in (0..<kernel.width).map { Tap(row: row, column: $0) } }
    }
}

extension Tap: Comparable {
    public static func < (a: Tap, b: Tap) -> Bool { (a.row, a.column) < (b.row, b.column) }
}

/// A shape of kernel: some of a kernel's taps, at least one, none twice, row by row.
public struct TapSet: Hashable, Sendable {
    public let taps: [Tap]

    /// Throws `SupportError` for an empty set, a tap outside `kernel`, or a tap named twice. The order does not matter.
    public init(numbers: [Int], in kernel: Size = .square(3)) throws(SupportError) {
        var taps: [Tap] = []
        for number in numbers {
            guard let tap = Tap(number: number, in: kernel) else {
                throw SupportError("tap \(number) is outside 1...\(kernel.area), the taps of a \(kernel) kernel")
            }
            taps.append(tap)
        }
        try self.init(taps) { "tap \($0.number(in: kernel)) stands twice in \(numbers)" }
    }

    /// Throws `SupportError` for an empty set or a tap that stands twice. The order does not matter.
    public init(_ taps: [Tap]) throws(SupportError) {
        try self.init(taps) { "tap (\($0.row), \($0.column)) stands twice" }
    }

    private init(_ taps: [Tap], describeTwin: (Tap) -> String) throws(SupportError) {
        guard !taps.isEmpty else { throw SupportError("a tap set is empty; it needs at least one tap") }
        self.taps = taps.sorted()
        if let (twin, _) = zip(self.taps, self.taps.dropFirst()).first(where: ==) {
            throw SupportError(describeTwin(twin))
        }
    }

    public var count: Int { taps.count }

    public func contains(_ tap: Tap) -> Bool { taps.contains(tap) }

    public func numbers(in kernel: Size) -> [Int] { taps.map { $0.number(in: kernel) } }
}

/// A support that is impossible, or that does not fit the convolution it was given to.
public struct SupportError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
