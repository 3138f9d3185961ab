/// Rows in aligned columns: text to the left, numbers to the right.
package struct Table {
    package enum Alignment: Sendable {
        case left
        case right
    }

    private let alignments: [Alignment]
    private var rows: [[String]]
    /// Numbers of the rows that a line stands above.
    private var ruled: Set<Int> = [1]

    package init(_ columns: (title: String, alignment: Alignment)...) {
        alignments = columns.map(\.alignment)
        rows = [columns.map(\.title)]
    }

    /// Precondition: as many cells as columns.
    package mutating func append(_ cells: String...) {
        precondition(cells.count == alignments.count)
        rows.append(cells.map(\.printable))
    }

    /// Draws a line between the rows so far and the next.
    package mutating func rule() { ruled.insert(rows.count) }

    /// The lines, each ended by a newline, none with spaces at its end.
    package var text: String {
        let widths = alignments.indices.map { column in rows.map { $0[column].displayWidth }.max() ?? 0 }
        var text = ""
        for (index, row) in rows.enumerated() {
            if ruled.contains(index) {
                text += widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ") + "\n"
            }
            let line = row.indices.map { row[$0].padded(to: widths[$0], alignments[$0]) }.joined(separator: "  ")
            text += line.trimmingTrailingSpaces + "\n"
        }
        return text
    }
}

extension String {
    fileprivate func padded(to width: Int, _ alignment: Table.Alignment) -> String {
        let padding = String(repeating: " ", count: max(0, width - displayWidth))
        return alignment == .left ? self + padding : padding + self
    }

    /// Without what would command the terminal: names come from files.
    fileprivate var printable: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return self }
        return String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }

    fileprivate var trimmingTrailingSpaces: Substring {
        var end = self[...]
        while end.last == " " { end.removeLast() }
        return end
    }

    /// Columns that a terminal gives the text: two for East Asian wide characters and emoji, one for what else is seen.
    package var displayWidth: Int { reduce(0) { $0 + $1.displayWidth } }
}

extension Character {
    fileprivate var displayWidth: Int {
        guard let scalar = unicodeScalars.first else { return 0 }
        switch scalar.properties.generalCategory {
        case .control, .format, .nonspacingMark, .enclosingMark: return 0
        default: break
        }
        let isWide = Self.wideRanges.contains { $0.contains(scalar.value) }
        return isWide || scalar.properties.isEmojiPresentation || unicodeScalars.contains("\u{FE0F}") ? 2 : 1
    }

    /// The blocks of wide and full-width characters (Unicode Standard Annex 11), without their unassigned gaps.
    private static let wideRanges: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
        0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD,
    ]
}

extension BinaryInteger {
    /// The digits in groups of three, set apart by commas in every locale: 14,987,722.
    package var grouped: String {
        let digits = Array(String(magnitude))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return self < 0 ? "-\(text)" : text
    }
}
