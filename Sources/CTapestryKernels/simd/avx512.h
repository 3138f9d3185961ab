// Vectors of 16 floats in 32 registers.
#pragma once
#include <immintrin.h>

#define LANES 16
// A tile of M positions and V vectors of outputs takes M x V sums, V weights and one broadcast value: X(M, V).
#define TILES(X) \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) \
    X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1) X(15, 1) X(16, 1) \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) \
    X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
// The most positions of a tile, by its number of vectors of outputs.
#define MOST_POSITIONS_1 16
#define MOST_POSITIONS_2 14
// A tile of M vectors of positions and four outputs takes M x 4 sums, M values and one broadcast weight: X(M).
#define PLANE_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define MOST_PLANE_VECTORS 6
// A tile of M vectors of positions and one output takes M totals, M sums and one broadcast weight: X(M).
#define SPARSE_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define MOST_SPARSE_VECTORS 8
// A product of E runs and M outputs takes E x M sums, E values and one broadcast gradient: X(E, M).
#define PRODUCT_TILES(X) \
    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4) X(1, 8) X(2, 8) X(3, 8)
#define MOST_RUNS_4 6
#define MOST_RUNS_8 3

typedef float vector __attribute__((ext_vector_type(LANES)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

static inline vector multiply_add(vector a, vector b, vector c) { return __builtin_elementwise_fma(a, b, c); }

static inline void store_first(float *p, vector x, int count) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
}
