import Foundation
import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    /// Sums that processes make in memory which they share, in pieces of 256 KiB.
    @Suite("Shared memory") struct SharedMemory {
        /// Nothing, fewer elements than processes, a piece, and more pieces than there are slots; few of these divide.
        private static let lengths = [0, 1, 3, 100, 65_536, 65_537, 300_001]

        /// A process's values: large and small ones, whose sum depends on the order.
        private static func own(_ rank: Int, _ length: Int) -> [Float] {
            random([length], key: UInt64(rank)).elements.enumerated().map { place, value in
                Float(value) * (place % 3 == rank % 3 ? 1e6 : 1)
            }
        }

        @Test(arguments: 1...4) func sumsAreThoseInTheOrderOfRanks(count: Int) throws {
            let results = try withProcesses(count) { group in
                #expect(group.connection == .sharedMemory)
                return try Self.lengths.map { length in
                    let tensor = try TorchTensor(Tensor(shape: [length], elements: Self.own(group.rank, length)))
                    try group.reduce(tensor)
                    return try tensor.host().elements
                }
            }.map { try $0.get() }
            let expected = Self.lengths.map { length in
                (1..<count).reduce(Self.own(0, length)) { sums, rank in zip(sums, Self.own(rank, length)).map(+) }
            }
            for result in results { #expect(result == expected) }
        }

        @Test(arguments: [DataType.float64, .float32, .float16, .bfloat16, .int64, .int32, .uint8])
        func everyTypeIsAddedUp(type: DataType) throws {
            let (count, length) = (3, 70_001)
            let results = try withProcesses(count) { group in
                // Below what any of the types is exact for.
                let values = (0..<length).map { Double(($0 + group.rank) % 16) }
                let tensor = try TorchTensor(Tensor(shape: [length], elements: values), as: type)
                try group.reduce(tensor)
                return try tensor.host(Double.self).elements
            }.map { try $0.get() }
            let expected = (0..<length).map { place in Double((0..<count).reduce(0) { $0 + (place + $1) % 16 }) }
            for result in results { #expect(result == expected) }
        }

        /// Of 1 + 2⁻⁸ + 2⁻⁸ in bfloat16 the sum of the first two is 1 again.
        @Test func narrowTypesAreRoundedOnce() throws {
            let results = try withProcesses(3) { group in
                let own: Float = group.rank == 0 ? 1 : 0x1p-8
                let tensor = try TorchTensor(Tensor(shape: [1], elements: [own]), as: .bfloat16)
                try group.reduce(tensor)
                return try tensor.host().elements[0]
            }
            for result in results { #expect(try result.get() == 1 + 0x1p-7) }
        }

        @Test func elementsAreThoseOfOnePlaceHoweverTheyLie() throws {
            let results = try withProcesses(2) { group in
                let own = random([2, 3, 4, 5], key: UInt64(group.rank))
                let tensor = try TorchTensor(own, memoryFormat: .channelsLast)
                try group.reduce(tensor)
                return try tensor.host(Double.self).elements
            }
            let expected = zip(random([2, 3, 4, 5], key: 0).elements, random([2, 3, 4, 5], key: 1).elements).map(+)
            for result in results { #expect(try result.get() == expected) }
        }

        /// What has been lost is lost at once for what comes after.
        @Test func aFailureIsNotWaitedForTwice() throws {
            let results = try withProcesses(2, timeout: .seconds(1)) { group in
                try group.barrier()
                if group.rank == 1 { return Thread.sleep(forTimeInterval: 3) }
                for _ in 0..<50 { #expect(throws: TorchError.self) { try group.barrier() } }
            }
            for result in results { try result.get() }
        }

        private static func memories() throws -> Int {
            try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n")
                .count { $0.contains("/memfd:tapestry") }
        }

        @Test func nothingIsLeftBehind() throws {
            let inside = try withProcesses(2) { group in
                try withExtendedLifetime(group) { try Self.memories() }
            }
            for count in inside { #expect(try count.get() >= 1) }
            #expect(try Self.memories() == 0)
        }
    }
}
