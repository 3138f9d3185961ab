// What kernels share over all instruction sets. Included after one of them.
#pragma once
#include "../include/CTapestryKernels.h"

#define FORCE_INLINE static inline __attribute__((always_inline))

// Unaligned, as a pointer to floats is.
typedef vector anywhere __attribute__((aligned(4), may_alias));

FORCE_INLINE vector load(const float *p) { return *(const anywhere *)p; }
FORCE_INLINE void store(float *p, vector x) { *(anywhere *)p = x; }
FORCE_INLINE vector all(float x) { return (vector)(x); }

// These keep what is not a number.
FORCE_INLINE vector rectified(vector x) { return 0 > x ? (vector)0 : x; }
FORCE_INLINE vector largest(vector a, vector b) { return ((a > b) | (a != a)) ? a : b; }

#ifndef WORD_ELEMENTS
// Values are floats, and a word is one of them.
#define WORD_ELEMENTS 1
typedef float element;
FORCE_INLINE vector load_values(const element *p) { return load(p); }
FORCE_INLINE void store_values(element *p, vector x) { store(p, x); }
FORCE_INLINE void store_first_values(element *p, vector x, int count) { store_first(p, x, count); }
FORCE_INLINE vector add_products(vector word, vector weights, vector sum) { return multiply_add(word, weights, sum); }
FORCE_INLINE element element_of(float x) { return x; }
FORCE_INLINE float float_of(element x) { return x; }
#endif

/// A vector of which only the first `count` elements are there.
FORCE_INLINE vector load_first_values(const element *p, int32_t count) {
    vector x = 0;
    for (int32_t i = 0; i < count; ++i) x[i] = float_of(p[i]);
    return x;
}

/// A word of a value in every lane: one element, or two neighbours.
FORCE_INLINE vector word_at(const void *p) {
    typedef float word __attribute__((aligned(__alignof__(element)), may_alias));
    return all(*(const word *)p);
}

/// The part of `count` things that belongs to a share.
typedef struct {
    int64_t from, to;
} range;

FORCE_INLINE range part_of(int64_t count, tk_share share) {
    return (range){count * share.part / share.parts, count * (share.part + 1) / share.parts};
}

/// e^x to 2 units in the last place, for -87 <= x <= 88, to which it is brought; not-a-number stays.
FORCE_INLINE vector exponential(vector x) {
    x = 88 < x ? (vector)88 : x;
    x = -87 > x ? (vector)-87 : x;
    // x = n ln 2 + r. Adding 1.5 * 2^23 leaves n in the lowest bits.
    const vector shifted = multiply_add(x, all(1.44269504f), all(12582912));
    const vector n = shifted - 12582912;
    // ln 2 in two pieces, of which the first times n is exact.
    vector r = multiply_add(n, all(-0x1.62e4p-1f), x);
    r = multiply_add(n, all(-0x1.7f7d1cp-20f), r);
    // The polynomial of degree 6 with the least relative error for |r| <= ln 2 / 2, which is 2e-9.
    vector sum = all(0x1.6ab926p-10f);
    sum = multiply_add(sum, r, all(0x1.126d64p-7f));
    sum = multiply_add(sum, r, all(0x1.55589cp-5f));
    sum = multiply_add(sum, r, all(0x1.55540ap-3f));
    sum = multiply_add(sum, r, all(0x1.fffffap-2f));
    sum = multiply_add(sum, r, all(1));
    sum = multiply_add(sum, r, all(1));
    // n goes into the exponent, to which the lowest bits of `shifted` are brought.
    return (vector)((integers)sum + ((integers)shifted << 23));
}

FORCE_INLINE vector activated(vector x, tk_activation activation) {
    switch (activation) {
    case TK_IDENTITY: return x;
    case TK_RELU: return rectified(x);
    case TK_SIGMOID: return 1 / (1 + exponential(-x));
    case TK_SWISH: return x / (1 + exponential(-x));
    }
}
