/// The checksum of HDF5's newer structures: Bob Jenkins' lookup3, `hashlittle` with the initial value 0.
///
/// Source: burtleburtle.net/bob/c/lookup3.c (public domain).
package enum Lookup3 {
    package static func hash(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var state = SIMD3<UInt32>(repeating: 0xDEAD_BEEF &+ UInt32(truncatingIfNeeded: bytes.count))
        guard !bytes.isEmpty else { return state.z }
        var rest = bytes
        while rest.count > 12 {
            state &+= words(rest.prefix(12))
            mix(&state)
            rest = rest.dropFirst(12)
        }
        state &+= words(rest)
        finish(&state)
        return state.z
    }

    /// Up to twelve bytes as three little-endian words, the missing ones zero.
    private static func words(_ bytes: ArraySlice<UInt8>) -> SIMD3<UInt32> {
        var words = SIMD3<UInt32>()
        for (index, byte) in bytes.enumerated() { words[index / 4] |= UInt32(byte) << UInt32(index % 4 * 8) }
        return words
    }

    private static func rotated(_ value: UInt32, by count: UInt32) -> UInt32 {
        value << count | value >> (32 - count)
    }

    /// In each of six turns `x -= z; x ^= rot(z); z += y`, with the three words changing places.
    private static func mix(_ state: inout SIMD3<UInt32>) {
        for (turn, count) in ([4, 6, 8, 16, 19, 4] as [UInt32]).enumerated() {
            let (x, y, z) = (turn % 3, (turn + 1) % 3, (turn + 2) % 3)
            state[x] = (state[x] &- state[z]) ^ rotated(state[z], by: count)
            state[z] = state[z] &+ state[y]
        }
    }

    /// In each of seven turns `x ^= y; x -= rot(y)`, from the last word on.
    private static func finish(_ state: inout SIMD3<UInt32>) {
        for (turn, count) in ([14, 11, 25, 16, 4, 14, 24] as [UInt32]).enumerated() {
            let (x, y) = ((turn + 2) % 3, (turn + 1) % 3)
            state[x] = (state[x] ^ state[y]) &- rotated(state[y], by: count)
        }
    }
}
