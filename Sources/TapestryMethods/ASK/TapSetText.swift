/// Reads lists of tap sets as they are written on the command line: `[[2,4,5,6,8],[1,3,5,7,9]]`.
enum TapSetText {
    /// Throws `MethodError` with what was expected. White space has been removed by the caller.
    static func parse(_ text: String) throws(MethodError) -> [[Int]] {
        guard text.hasPrefix("["), text.hasSuffix("]"), text.count >= 2 else { throw malformed(text) }
        var rest = text.dropFirst().dropLast()
        var sets: [[Int]] = []
        while !rest.isEmpty {
            if !sets.isEmpty {
                guard rest.hasPrefix(",") else { throw malformed(text) }
                rest = rest.dropFirst()
            }
            guard rest.hasPrefix("["), let end = rest.firstIndex(of: "]") else { throw malformed(text) }
            let inside = rest[rest.index(after: rest.startIndex)..<end]
            var taps: [Int] = []
            if !inside.isEmpty {
                for number in inside.split(separator: ",", omittingEmptySubsequences: false) {
                    guard let tap = Int(number) else { throw malformed(text) }
                    taps.append(tap)
                }
            }
            sets.append(taps)
            rest = rest[rest.index(after: end)...]
        }
        return sets
    }

    private static func malformed(_ text: String) -> MethodError {
        MethodError("\"\(text)\" is not a list of tap sets such as [[2,4,5,6,8],[1,3,5,7,9]]")
    }
}
