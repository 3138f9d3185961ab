// Values of which two fit into a float, in C: for processors that have no better, and to compare with.
#pragma once
#include "scalar.h"

#define WORD_ELEMENTS 2
typedef uint16_t element;

/// To the nearest, of two to the even one. What is not a number stays so.
static inline element element_of(float x) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x);
    return x != x ? (element)(bits >> 16 | 0x40) : (element)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
static inline float float_of(element x) { return __builtin_bit_cast(float, (uint32_t)x << 16); }

static inline vector load_values(const element *p) {
    vector x;
    for (int i = 0; i < LANES; ++i) x[i] = float_of(p[i]);
    return x;
}

static inline void store_first_values(element *p, vector x, int count) {
    for (int i = 0; i < count; ++i) p[i] = element_of(x[i]);
}

static inline void store_values(element *p, vector x) { store_first_values(p, x, LANES); }

static inline vector add_products(vector word, vector weights, vector sum) {
    const integers high = {-65536, -65536, -65536, -65536};
    sum = multiply_add((vector)((integers)word & high), (vector)((integers)weights & high), sum);
    return multiply_add((vector)((integers)word << 16), (vector)((integers)weights << 16), sum);
}
