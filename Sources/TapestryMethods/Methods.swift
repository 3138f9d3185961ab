import Foundation
import TapestryCore

/// Every method by name, and the reading of method texts such as `ask:ASK_5a`.
public enum Methods {
    /// Each kind of method; a new one is one more line.
    public static let kinds: [any Method.Type] = [
        Dense.self,
        ASK.self,
        HetConv.self,
        ACB.self,
        ShiftMethod.self,
        DepthwiseMethod.self,
        Separable.self,
    ]

    /// The methods of a text like `ask:ASK_5a`, in the order in which they are applied; several are separated by commas.
    /// Throws `MethodError` for an unknown name or an argument that makes no sense.
    public static func parse(_ text: String) throws(MethodError) -> [any Method] {
        var methods: [any Method] = []
        for part in splitOutsideBrackets(text) {
            let pieces = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
            guard let kind = kinds.first(where: { $0.name == pieces[0] }) else {
                throw MethodError(
                    "unknown method \"\(pieces[0])\"; known are \(kinds.map { $0.name }.joined(separator: ", "))")
            }
            methods.append(try kind.init(argument: pieces.count == 2 ? pieces[1] : nil))
        }
        return methods
    }

    private static func splitOutsideBrackets(_ text: String) -> [String] {
        var parts = [""]
        var depth = 0
        for character in text {
            depth += character == "[" ? 1 : character == "]" ? -1 : 0
            if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts
    }
}
