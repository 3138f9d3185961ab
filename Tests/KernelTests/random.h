// Random numbers that a seed repeats on every machine.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// A stream of numbers (SplitMix64, Steele, Lea and Flood, 2014).
typedef struct {
    uint64_t state;
} stream;

static inline uint64_t next(stream *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/// One of least, least + 1 … most.
static inline int32_t between(stream *r, int32_t least, int32_t most) {
    return least + (int32_t)(next(r) % (uint64_t)(most - least + 1));
}

/// True once in so many times.
static inline bool one_in(stream *r, int32_t times) { return between(r, 1, times) == 1; }

/// A small number most of the time, at times up to `most`.
static inline int32_t mostly_small(stream *r, int32_t most) {
    const int32_t small = most < 6 ? most : 6;
    return between(r, 1, one_in(r, 3) ? most : small);
}

/// From -1 to 1.
static inline float uniform(stream *r) { return (float)(next(r) >> 40) / (1 << 23) - 1; }
