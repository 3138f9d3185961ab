import Foundation
import Synchronization

/// The progress of long work, on one line of a terminal: how far, how fast, and how long it will still take.
///
///     let bar = ProgressBar("epoch 3/10", total: 50_000, unit: "images")
///     bar.advance(by: 128, detail: "loss 1.234")
///     bar.finish()
///
/// Silent where standard error is not a terminal, and redrawn at most ten times a second. Any thread may advance it.
package final class ProgressBar: Sendable {
    private struct State {
        var done = 0
        var detail = ""
        var lastDrawn: ContinuousClock.Instant?
    }

    private let title: String
    private let total: Int
    private let unit: String
    private let isVisible: Bool
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    package init(_ title: String, total: Int, unit: String) {
        self.title = title
        self.total = total
        self.unit = unit
        isVisible = Console.errorIsTerminal
    }

    /// `detail` is shown after the numbers until another one comes.
    package func advance(by count: Int, detail: String? = nil) {
        state.withLock { state in
            state.done += count
            if let detail { state.detail = detail }
            let now = ContinuousClock.now
            guard isVisible, state.lastDrawn.map({ now - $0 >= .milliseconds(100) }) ?? true else { return }
            state.lastDrawn = now
            draw(state, at: now)
        }
    }

    /// Removes the bar, so that the next line on standard error stands in its place.
    package func finish() {
        guard isVisible else { return }
        write("\r\u{1B}[K")
    }

    private func draw(_ state: State, at now: ContinuousClock.Instant) {
        let seconds = (now - start) / .seconds(1)
        let line = Self.line(
            title: title, done: state.done, total: total, unit: unit, seconds: seconds, detail: state.detail)
        // A line that fills the terminal would wrap, and each redrawing would begin a new one.
        write("\r\(line.prefix(Console.width - 1))\u{1B}[K")
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { _ = Foundation.write(STDERR_FILENO, $0.baseAddress!, $0.count) }
    }
}

extension ProgressBar {
    private static let barWidth = 24

    /// What the bar shows after `seconds`.
    package static func line(
        title: String, done: Int, total: Int, unit: String, seconds: Double, detail: String
    ) -> String {
        let fraction = total > 0 ? min(1, Double(done) / Double(total)) : 1
        let filled = Int(fraction * Double(barWidth))
        let bar = String(repeating: "━", count: filled) + String(repeating: "┄", count: barWidth - filled)
        let rate = seconds > 0 ? Double(done) / seconds : 0
        var parts = ["\(title) \(bar) \(Int(fraction * 100))%", "\(rate.groupedWhole) \(unit)/s"]
        if done > 0 { parts.append("\(duration(seconds * (1 / max(fraction, 1e-9) - 1))) left") }
        if !detail.isEmpty { parts.append(detail) }
        return parts.joined(separator: "  ")
    }

    /// 8 s, 1:07, 2:05:00.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        let whole = Int(seconds.rounded())
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60):\(two(whole % 60))" }
        return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))"
    }
}
