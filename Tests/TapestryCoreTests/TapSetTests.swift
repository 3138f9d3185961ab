import TapestryCore
import Testing

struct TapSetTests {
    @Test func tapsAreNumberedRowByRowFromOne() {
        #expect(Tap(number: 1, in: .square(3)) == Tap(row: 0, column: 0))
        #expect(Tap(number: 5, in: .square(3)) == Tap(row: 1, column: 1))
        #expect(Tap(number: 9, in: .square(3)) == Tap(row: 2, column: 2))
        #expect(Tap(number: 4, in: Size(height: 2, width: 3)) == Tap(row: 1, column: 0))
        for number in [Int.min, -1, 0, 10, Int.max] { #expect(Tap(number: number, in: .square(3)) == nil) }
    }

    @Test func numbersAndTapsAreInverse() {
        let kernel = Size(height: 3, width: 5)
        for (index, tap) in Tap.all(of: kernel).enumerated() {
            #expect(tap.number(in: kernel) == index + 1)
            #expect(Tap(number: index + 1, in: kernel) == tap)
        }
    }

    @Test func aSetIsInOrderHoweverItWasWritten() throws {
        let set = try TapSet(numbers: [8, 2, 5])
        #expect(set.numbers(in: .square(3)) == [2, 5, 8])
        #expect(set == (try TapSet(numbers: [2, 5, 8])))
        #expect(set.count == 3)
        #expect(set.contains(Tap(row: 1, column: 1)))
        #expect(!set.contains(Tap(row: 0, column: 0)))
    }

    @Test(arguments: [
        ([], "a tap set is empty; it needs at least one tap"),
        ([0], "tap 0 is outside 1...9, the taps of a 3x3 kernel"),
        ([1, 10], "tap 10 is outside 1...9, the taps of a 3x3 kernel"),
        ([-5], "tap -5 is outside 1...9, the taps of a 3x3 kernel"),
        ([5, 2, 5], "tap 5 stands twice in [5, 2, 5]"),
    ])
    func impossibleSetsAreRefused(numbers: [Int], reason: String) {
        #expect(throws: SupportError(reason)) { try TapSet(numbers: numbers) }
    }
}

struct WeightMaskTests {
    @Test(arguments: [1, 63, 64, 65, 130])
    func containsWhatItWasMadeOf(size: Int) {
        let mask = WeightMask(size: size) { $0 % 3 == 0 }
        #expect((0..<size).filter(mask.contains) == Array(stride(from: 0, to: size, by: 3)))
        #expect(mask.count == (size + 2) / 3)
    }

    @Test(arguments: [0, 1, 63, 64, 65, 130])
    func hexadecimalRoundTrip(size: Int) {
        let mask = WeightMask(size: size) { $0 % 5 < 2 }
        #expect(WeightMask(size: size, hexadecimal: mask.hexadecimal) == mask)
    }

    @Test func theLowestBitOfTheFirstDigitsIsPositionZero() {
        #expect(WeightMask(size: 65) { $0 == 0 || $0 == 64 }.hexadecimal == "00000000000000010000000000000001")
    }

    @Test(arguments: [
        (4, ""), (4, "000000000000000"), (4, "00000000000000001"), (4, "0000000000000010"), (4, "+000000000000001"),
        (4, "-000000000000000"), (4, "000000000000000g"), (4, "00000000000000é"), (64, "0x00000000000000"),
        (-1, ""), (Int.max, ""), (Int.min, ""), (0, "0000000000000000"),
    ])
    func hexadecimalOfAnotherSizeIsRefused(size: Int, digits: String) {
        #expect(WeightMask(size: size, hexadecimal: digits) == nil)
    }
}
