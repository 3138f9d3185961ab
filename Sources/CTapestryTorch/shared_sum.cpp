#include "shared_sum.h"

#include <algorithm>
#include <cstring>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>
#include <c10/util/Half.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

/// The elements of a piece that one process adds up.
struct Share {
    int64_t begin, end;

    /// In whole cache lines, but for the last.
    Share(int64_t count, int64_t elements_in_line, int rank, int size) {
        const auto lines = (count + elements_in_line - 1) / elements_in_line;
        begin = std::min(count, lines * rank / size * elements_in_line);
        end = std::min(count, lines * (rank + 1) / size * elements_in_line);
    }
};

/// Writes the sums of `count` elements of each source, in their order, to both targets, which may be sources.
template <typename Element, typename Sum, typename Source>
void add(int64_t count, int sources, const Source &source, Element *target, Element *copy) {
    constexpr int64_t most = 512;
    Sum sums[most];
    for (int64_t done = 0; done < count; done += most) {
        const auto length = std::min(most, count - done);
        const Element *values = source(0) + done;
        for (int64_t i = 0; i < length; ++i) sums[i] = static_cast<Sum>(values[i]);
        for (int other = 1; other < sources; ++other) {
            values = source(other) + done;
            for (int64_t i = 0; i < length; ++i) sums[i] += static_cast<Sum>(values[i]);
        }
        for (int64_t i = 0; i < length; ++i) target[done + i] = static_cast<Element>(sums[i]);
        std::memcpy(copy + done, target + done, static_cast<size_t>(length) * sizeof(Element));
    }
}

}  // namespace

bool SharedSum::takes(at::ScalarType type) noexcept {
    switch (type) {
        case at::kFloat: case at::kDouble: case at::kHalf: case at::kBFloat16: case at::kLong: case at::kInt:
        case at::kByte: return true;
        default: return false;
    }
}

void SharedSum::operator()(void *values, int64_t count, at::ScalarType type) {
    switch (type) {
        case at::kFloat: return add_up<float, float>(static_cast<float *>(values), count);
        case at::kDouble: return add_up<double, double>(static_cast<double *>(values), count);
        case at::kHalf: return add_up<at::Half, float>(static_cast<at::Half *>(values), count);
        case at::kBFloat16: return add_up<at::BFloat16, float>(static_cast<at::BFloat16 *>(values), count);
        case at::kLong: return add_up<int64_t, uint64_t>(static_cast<int64_t *>(values), count);
        case at::kInt: return add_up<int32_t, uint32_t>(static_cast<int32_t *>(values), count);
        case at::kByte: return add_up<uint8_t, uint8_t>(static_cast<uint8_t *>(values), count);
        default: TORCH_CHECK(false, "no sums of ", type);
    }
}

template <typename Element, typename Sum>
void SharedSum::add_up(Element *values, int64_t count) {
    auto &memory = *memory_;
    memory.check();
    const auto rank = memory.rank(), size = memory.size();
    const auto capacity = static_cast<int64_t>(memory.slot_bytes() / sizeof(Element));
    const auto pieces = static_cast<uint32_t>((count + capacity - 1) / capacity);
    const auto length = [&](uint32_t piece) { return std::min(capacity, count - piece * capacity); };
    const auto share = [&](uint32_t piece, int owner) {
        return Share(length(piece), 64 / static_cast<int64_t>(sizeof(Element)), owner, size);
    };
    // A piece's slot was that of the third piece before: what is in it has been read by all who are as far as this one
    // has seen them to be.
    const auto slot = [&](uint32_t piece, int owner) {
        return reinterpret_cast<Element *>(memory.slot(owner, (piece_ + piece) % SharedMemory::slots));
    };
    // Every piece is announced twice: when it is there to be read, and when its share of sums is.
    const auto is_there = [&](uint32_t piece) { return 2 * (piece_ + piece) + 1; };
    const auto copy = [&](Element *to, const Element *from, Share part) {
        std::memcpy(to + part.begin, from + part.begin, static_cast<size_t>(part.end - part.begin) * sizeof(Element));
    };
    const auto offer = [&](uint32_t piece) {
        for (int owner = 0; owner < size; ++owner)
            if (owner != rank) copy(slot(piece, rank), values + piece * capacity, share(piece, owner));
        memory.announce(is_there(piece));
    };

    if (pieces > 0) offer(0);
    for (uint32_t piece = 0; piece < pieces; ++piece) {
        auto *own = values + piece * capacity;
        const auto part = share(piece, rank);
        memory.await(is_there(piece));
        const auto source = [&](int other) { return (other == rank ? own : slot(piece, other)) + part.begin; };
        add<Element, Sum>(part.end - part.begin, size, source, own + part.begin, slot(piece, rank) + part.begin);
        memory.announce(is_there(piece) + 1);
        // The next one meanwhile: then the others will seldom be waited for.
        if (piece + 1 < pieces) offer(piece + 1);
        memory.await(is_there(piece) + 1);
        for (int owner = 0; owner < size; ++owner)
            if (owner != rank) copy(own, slot(piece, owner), share(piece, owner));
    }
    piece_ += pieces;
}

}  // namespace tapestry
