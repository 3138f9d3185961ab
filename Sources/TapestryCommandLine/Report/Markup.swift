/// Text in HTML and SVG, and the numbers of their attributes.
package enum Markup {
    /// `text` with what has a meaning in markup escaped, in attributes too, and with replacements for what XML forbids.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\t", "\n", "\r": result += " "
            case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A coordinate, to a hundredth of a pixel.
    static func number(_ value: Double) -> String {
        let text = value.decimals(2)
        guard text.hasSuffix("0") else { return text }
        return text.hasSuffix(".00") ? String(text.dropLast(3)) : String(text.dropLast())
    }

    /// Text that says only itself, as an SVG element.
    static func label(_ text: String, x: Double, y: Double, class name: String) -> String {
        "<text class=\"\(name)\" x=\"\(number(x))\" y=\"\(number(y))\">\(escaped(text))</text>\n"
    }
}
