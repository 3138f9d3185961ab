import TapestryData

/// Says on standard error which images cannot be read: the first ones by name, and now and then how many.
package final class UnreadableNotes {
    private static let namedCount = 10
    private let prepare: () -> Void
    private var (count, concludedCount) = (0, 0)

    /// `prepare` is called before each line.
    package init(prepare: @escaping () -> Void = {}) { self.prepare = prepare }

    package func add(_ image: UnreadableImage) {
        count += 1
        guard count <= Self.namedCount else { return }
        prepare()
        Console.note("unreadable: \(image)")
    }

    /// Says how many there are so far and what becomes of them, if there are more than the last time.
    package func conclude(_ fate: String) {
        guard count > concludedCount else { return }
        concludedCount = count
        prepare()
        let more = count > Self.namedCount ? "; `tapestry data verify` names all" : ""
        Console.note("unreadable: \(count.grouped) image\(count == 1 ? "" : "s") so far, \(fate)\(more)")
    }
}
