// The GPU as kernels see it, on the host: see kernels/device.h, whose names have the same meaning here.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "tcu_api.h"

#define TCU_DEVICE inline

namespace tcu_emulation {

/// Memory of which kernels may copy vectors.
struct Range {
    const char *begin, *end;
};

struct Copy {
    char *place;
    const void *source;
    bool valid;
};

/// A thread's copies on their way.
struct Copies {
    std::vector<Copy> open;
    std::deque<std::vector<Copy>> groups;
};

/// What the running kernel may do and has done wrong.
struct Machine {
    tcu_schedule schedule;
    Range readable[2];
    Copies *copies = nullptr;
    std::string complaint;
};

inline thread_local Machine *machine = nullptr;

inline void arrive(const Copy &copy) {
    if (copy.valid) std::memcpy(copy.place, copy.source, 16);
    else std::memset(copy.place, 0, 16);
}

inline bool is_readable(const void *source) {
    const auto *byte = static_cast<const char *>(source);
    for (const Range &range : machine->readable)
        if (byte >= range.begin && byte + 16 <= range.end) return true;
    return false;
}

}  // namespace tcu_emulation

inline void copy_vector(char *place, const void *source, bool valid) {
    using namespace tcu_emulation;
    if (reinterpret_cast<std::uintptr_t>(source) % 16 || reinterpret_cast<std::uintptr_t>(place) % 16)
        machine->complaint = "a copy of a vector that does not begin at 16 bytes";
    if (valid && !is_readable(source)) {
        machine->complaint = "a copy from outside what there is to read";
        return;
    }
    const Copy copy = {place, source, valid};
    if (machine->schedule == TCU_EARLY) arrive(copy);
    else machine->copies->open.push_back(copy);
}

inline void commit_copies() {
    auto &copies = *tcu_emulation::machine->copies;
    copies.groups.push_back(std::move(copies.open));
    copies.open.clear();
}

template <int COUNT>
inline void wait_copies() {
    auto &groups = tcu_emulation::machine->copies->groups;
    for (; groups.size() > COUNT; groups.pop_front())
        for (const auto &copy : groups.front()) tcu_emulation::arrive(copy);
}

template <class Row>
inline void load_matrices(int lane, unsigned (&words)[4], Row &&row) {
    for (int matrix = 0; matrix < 4; ++matrix)
        std::memcpy(&words[matrix], row(matrix, lane / 4) + lane % 4 * 4, 4);
}

template <class Row>
inline void load_matrices_transposed(int lane, unsigned (&words)[4], Row &&row) {
    for (int matrix = 0; matrix < 4; ++matrix) {
        uint16_t halves[2];
        for (int i = 0; i < 2; ++i) std::memcpy(&halves[i], row(matrix, lane % 4 * 2 + i) + lane / 4 * 2, 2);
        words[matrix] = halves[0] | static_cast<unsigned>(halves[1]) << 16;
    }
}

inline unsigned bits_of(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
inline float float_of(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline unsigned multiply_high(unsigned a, unsigned b) { return static_cast<unsigned>((uint64_t{a} * b) >> 32); }
inline float exponential(float x) { return std::exp(x); }
inline float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }

/// To nearest, ties away from zero.
inline unsigned rounded_to_tf32(unsigned bits) { return (bits + 0x1000u) & ~0x1fffu; }

// Only named where a warp's lanes multiply by themselves, which Block does for them here.
inline void multiply_bfloat16(float (&)[4], const unsigned (&)[4], const unsigned (&)[2]) {}
inline void multiply_tf32(float (&)[4], const unsigned (&)[4], const unsigned (&)[2]) {}

namespace tcu_emulation {

/// The layouts of mma.m16n8k16 (bfloat16) and mma.m16n8k8 (TF32), as the PTX manual has them.
template <bool HALVES>
struct Layout {
    static constexpr int depth = HALVES ? 16 : 8;

    /// Element k of row `row` of the first factor.
    template <class Lanes>
    static float left(const Lanes &lanes, int i, int row, int k) {
        return element(lanes[row % 8 * 4 + in_quad(k)].left[i].words[row / 8 + upper(k) * 2], k);
    }
    /// Element k of column `column` of the second.
    template <class Lanes>
    static float right(const Lanes &lanes, int j, int k, int column) {
        return element(lanes[column * 4 + in_quad(k)].right[j].words[upper(k)], k);
    }
    static int upper(int k) { return HALVES ? k / 8 : k / 4; }
    static int in_quad(int k) { return HALVES ? k % 8 / 2 : k % 4; }
    static float element(unsigned word, int k) {
        return float_of(HALVES ? (k % 2 ? word & 0xffff0000u : word << 16) : word);
    }
};

}  // namespace tcu_emulation

template <class ThreadState>
struct Block {
    using Thread = ThreadState;
    std::vector<Thread> threads;
    std::vector<tcu_emulation::Copies> copies;
    char *shared = nullptr;
    int x = 0, y = 0;

    explicit Block(int count) : threads(static_cast<size_t>(count)), copies(static_cast<size_t>(count)) {
        for (int i = 0; i < count; ++i) threads[static_cast<size_t>(i)].index = i;
    }

    template <class Body>
    void each(Body &&body) {
        auto &machine = *tcu_emulation::machine;
        for (size_t i = 0; i < threads.size(); ++i) {
            const size_t index = machine.schedule == TCU_EARLY ? i : threads.size() - 1 - i;
            machine.copies = &copies[index];
            body(threads[index]);
        }
    }

    void synchronize() {}

    void multiply() {
        for (size_t warp = 0; warp < threads.size(); warp += 32) {
            for (int i = 0; i < Thread::fragment_rows; ++i) {
                for (int j = 0; j < Thread::fragment_columns; ++j) multiply(&threads[warp], i, j);
            }
        }
    }

   private:
    static void multiply(Thread *lanes, int i, int j) {
        using A = typename Thread::Arithmetic;
        if constexpr (A::is_collective) {
            using Layout = tcu_emulation::Layout<A::halves>;
            for (int row = 0; row < 16; ++row) {
                for (int column = 0; column < 8; ++column) {
                    float &sum = lanes[row % 8 * 4 + column / 2].sums[i][j][row / 8 * 2 + column % 2];
                    for (int k = 0; k < Layout::depth; ++k)
                        sum += Layout::left(lanes, i, row, k) * Layout::right(lanes, j, k, column);
                }
            }
        } else {
            for (int lane = 0; lane < 32; ++lane) A::multiply(lanes[lane].sums[i][j], lanes[lane].left[i], lanes[lane].right[j]);
        }
    }
};
