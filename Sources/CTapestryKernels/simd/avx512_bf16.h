// Vectors of 16 floats, and values of which two fit into one: a multiplication takes two products.
#pragma once
#include "avx512.h"

#define WORD_ELEMENTS 2
typedef uint16_t element;

static inline vector load_values(const element *p) {
    return (vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16);
}

static inline void store_values(element *p, vector x) {
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)x));
}

static inline void store_first_values(element *p, vector x, int count) {
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << count) - 1), (__m256i)_mm512_cvtneps_pbh((__m512)x));
}

static inline vector add_products(vector word, vector weights, vector sum) {
    return (vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)word, (__m512bh)weights);
}

static inline element element_of(float x) {
    return (element)_mm_cvtsi128_si32((__m128i)_mm_cvtneps_pbh(_mm_set_ss(x)));
}
static inline float float_of(element x) { return __builtin_bit_cast(float, (uint32_t)x << 16); }
