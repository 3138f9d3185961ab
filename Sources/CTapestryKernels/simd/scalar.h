// What every processor has: C, which the compiler turns into the vectors that the platform guarantees.
#pragma once

#define LANES 4
#define TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2)
#define MOST_POSITIONS_1 4
#define MOST_POSITIONS_2 4
// A tile of M vectors of positions and four outputs takes M x 4 sums, M values and one broadcast weight: X(M).
#define PLANE_TILES(X) X(1) X(2) X(3)
#define MOST_PLANE_VECTORS 3
// A tile of M vectors of positions and one output takes M totals, M sums and one broadcast weight: X(M).
#define SPARSE_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define MOST_SPARSE_VECTORS 6
// A product of E runs and M outputs takes E x M sums, E values and one broadcast gradient: X(E, M).
#define PRODUCT_TILES(X) X(1, 4) X(2, 4) X(1, 8)
#define MOST_RUNS_4 2
#define MOST_RUNS_8 1

typedef float vector __attribute__((ext_vector_type(LANES)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

static inline vector multiply_add(vector a, vector b, vector c) { return a * b + c; }

static inline void store_first(float *p, vector x, int count) {
    for (int i = 0; i < count; ++i) p[i] = x[i];
}
