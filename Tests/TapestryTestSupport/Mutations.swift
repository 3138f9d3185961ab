import TapestryCore

extension RandomStream {
    /// `bytes` with one to eight of them replaced.
    public mutating func flippingBytes(of bytes: [UInt8]) -> [UInt8] {
        var mutated = bytes
        for _ in 0..<integer(in: 1...8) where !mutated.isEmpty {
            mutated[integer(below: mutated.count)] = UInt8(truncatingIfNeeded: next())
        }
        return mutated
    }

    /// `json` with one to four of its numbers replaced by such as break arithmetic.
    public mutating func replacingNumbers(in json: String) -> String {
        var pieces = Self.numbersAndOthers(json)
        let numbers = pieces.indices.filter { pieces[$0].first.map { $0.isNumber || $0 == "-" } ?? false }
        for _ in 0..<integer(in: 1...4) where !numbers.isEmpty {
            pieces[numbers[integer(below: numbers.count)]] =
                Self.hostileNumbers[
                    integer(below: Self.hostileNumbers.count)]
        }
        return pieces.joined()
    }

    private static let hostileNumbers = [
        "-1", "0", "1", "2", "3", "0.5", "1e400", "-9223372036854775808", "9223372036854775807", "9223372036854775744",
        "18446744073709551615", "4611686018427387904", "17179869184", "4294967296", "1048576", "1048577", "524288",
        "null", "1e-400",
    ]

    private static func numbersAndOthers(_ json: String) -> [String] {
        var pieces: [String] = [""]
        var isNumber = false
        for character in json {
            if (character.isNumber || "-.eE".contains(character) && isNumber || character == "-") != isNumber {
                isNumber.toggle()
                pieces.append("")
            }
            pieces[pieces.count - 1].append(character)
        }
        return pieces
    }
}
