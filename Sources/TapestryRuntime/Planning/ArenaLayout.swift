/// Places for values that are needed at different times in one piece of memory.
struct ArenaLayout {
    /// Where each value begins, in elements; a multiple of a cache line.
    private(set) var places: [Int]
    private(set) var size = 0

    /// `lifetimes` are the first and the last step at which each value is there. The largest value is placed first, each
    /// at the lowest place that is free for as long as it lives.
    init(sizes: [Int], lifetimes: [ClosedRange<Int>]) {
        places = Array(repeating: 0, count: sizes.count)
        var placed: [Int] = []
        let order = sizes.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
        for value in order {
            let neighbours = placed.filter { lifetimes[$0].overlaps(lifetimes[value]) }
                .sorted { places[$0] < places[$1] }
            var place = 0
            for other in neighbours {
                if place + sizes[value] <= places[other] { break }
                place = max(place, (places[other] + sizes[other] + 31) / 32 * 32)
            }
            places[value] = place
            size = max(size, place + sizes[value])
            placed.append(value)
        }
    }
}
