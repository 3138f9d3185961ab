// What a convolution by taps computes at once: a tile of positions and outputs.
#pragma once

// The most taps of a row that share what they read.
#define MOST_COLUMNS 3

/// M positions x V vectors of outputs: what one call of a tile computes.
typedef struct {
    /// Of the first position.
    const element *x;
    /// From a position to the next.
    ptrdiff_t x_step, y_step;
    const tk_entry *entries;
    ptrdiff_t entry_count;
    const float *weights, *bias;
    /// NULL where nothing is to be added.
    const element *residual;
    element *y;
    /// Whether `y` are floats, whatever elements are.
    bool stores_floats;
    /// A bit for each position: whether it is stored.
    uint64_t kept;
    int32_t outputs;
    tk_activation activation;
} tile;

/// Stores one vector of a position's sums.
FORCE_INLINE void finish(const tile *t, const int m, const int v, vector sum) {
    const ptrdiff_t place = m * t->y_step + v * LANES;
    vector y = sum;
    const int count = t->outputs - v * LANES;
    // Values may lie densely, and end with the last output.
    if (t->residual && count >= LANES) y += load_values(t->residual + place);
    else if (t->residual) y += load_first_values(t->residual + place, count);
    if (t->activation == TK_RELU) y = rectified(y);
    if (WORD_ELEMENTS > 1 && t->stores_floats) {
        float *floats = (float *)(t->y + m * t->y_step) + v * LANES;
        if (count >= LANES) store(floats, y);
        else if (count > 0) store_first(floats, y, count);
    } else if (count >= LANES) store_values(t->y + place, y);
    else if (count > 0) store_first_values(t->y + place, y, count);
}

/// The products of one word of input channels. Bases are four positions apart, so that addresses take few registers.
#define ACCUMULATE(c) \
    { \
        vector weight[2]; \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < V; ++v) \
            weight[v] = load(w + ((c) * V + v) * LANES); \
        _Pragma("clang loop unroll(full)") for (int m = 0; m < M; ++m) { \
            vector value = word_at(base[m / 4] + (m % 4) * step + (c) * sizeof(float)); \
            _Pragma("clang loop unroll(full)") for (int v = 0; v < V; ++v) \
                sum[m][v] = add_products(value, weight[v], sum[m][v]); \
        } \
    }

/// The products of four words, in the same order for each sum.
#if MULTIPLIES_BY_ELEMENT
#define ACCUMULATE_FOUR \
    { \
        vector weight[4][2]; \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < 4 * V; ++i) \
            weight[i / V][i % V] = load(w + i * LANES); \
        _Pragma("clang loop unroll(full)") for (int m = 0; m < M; ++m) { \
            vector value = load((const float *)(base[m / 4] + (m % 4) * step)); \
            _Pragma("clang loop unroll(full)") for (int c = 0; c < 4; ++c) { \
                _Pragma("clang loop unroll(full)") for (int v = 0; v < V; ++v) \
                    sum[m][v] = multiply_add(all(value[c]), weight[c][v], sum[m][v]); \
            } \
        } \
    }
#else
#define ACCUMULATE_FOUR ACCUMULATE(0) ACCUMULATE(1) ACCUMULATE(2) ACCUMULATE(3)
#endif

/// The products of K neighbouring taps of a row: each value is read once, for the K positions that take it. One vector
/// of outputs would otherwise wait for its values, each of which serves one multiplication only.
FORCE_INLINE void accumulate_row(
    vector (*sum)[2], const char *x, ptrdiff_t step, const float *w, ptrdiff_t words, const int M, const int K) {
    const ptrdiff_t tap = words * LANES;
    const char *base[(MOST_POSITIONS_1 + MOST_COLUMNS + 2) / 4];
#pragma clang loop unroll(full)
    for (int i = 0; i < (M + K + 2) / 4; ++i) base[i] = x + i * 4 * step;
    for (ptrdiff_t left = words; left > 0; --left, w += LANES) {
        vector weight[MOST_COLUMNS];
#pragma clang loop unroll(full)
        for (int k = 0; k < K; ++k) weight[k] = load(w + k * tap);
#pragma clang loop unroll(full)
        for (int i = 0; i < M + K - 1; ++i) {
            const vector value = word_at(base[i / 4] + (i % 4) * step);
#pragma clang loop unroll(full)
            for (int k = 0; k < K; ++k)
                if (k <= i && i < M + k) sum[i - k][0] = add_products(value, weight[k], sum[i - k][0]);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < (M + K + 2) / 4; ++i) {
            base[i] += sizeof(float);
            // As above: no register for every address.
            __asm__("" : "+r"(base[i]));
        }
    }
}

FORCE_INLINE void compute_tile(const tile *t, const int M, const int V) {
    // Arrays of constant lengths, for others would stay in memory.
    vector sum[MOST_POSITIONS_1 > MOST_POSITIONS_2 ? MOST_POSITIONS_1 : MOST_POSITIONS_2][2];
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) {
#pragma clang loop unroll(full)
        for (int v = 0; v < V; ++v) sum[m][v] = load(t->bias + v * LANES);
    }
    const ptrdiff_t step = t->x_step * (ptrdiff_t)sizeof(element);
    for (ptrdiff_t e = 0; e < t->entry_count; ++e) {
        const tk_entry entry = t->entries[e];
        const float *w = t->weights + entry.weights;
        if (V == 1 && entry.columns > 1) {
            const char *x = (const char *)(t->x + entry.input);
            if (entry.columns == 2) accumulate_row(sum, x, step, w, entry.words, M, 2);
            else accumulate_row(sum, x, step, w, entry.words, M, MOST_COLUMNS);
            continue;
        }
        const char *base[4];
#pragma clang loop unroll(full)
        for (int i = 0; i < (M + 3) / 4; ++i) {
            base[i] = (const char *)(t->x + entry.input) + i * 4 * step;
            // The compiler would otherwise compute every address from the first, and run out of registers.
            __asm__("" : "+r"(base[i]));
        }
        ptrdiff_t left = entry.words;
        for (; left >= 4; left -= 4) {
            ACCUMULATE_FOUR
            w += 4 * V * LANES;
#pragma clang loop unroll(full)
            for (int i = 0; i < (M + 3) / 4; ++i) base[i] += 4 * sizeof(float);
        }
        for (; left > 0; --left) {
            ACCUMULATE(0)
            w += V * LANES;
#pragma clang loop unroll(full)
            for (int i = 0; i < (M + 3) / 4; ++i) base[i] += sizeof(float);
        }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) {
        if (!(t->kept >> m & 1)) continue;
#pragma clang loop unroll(full)
        for (int v = 0; v < V; ++v) finish(t, m, v, sum[m][v]);
    }
}

#define DEFINE_TILE(M, V) \
    static void tile_##M##_##V(const tile *t) { compute_tile(t, M, V); }
TILES(DEFINE_TILE)

#define TILE_ENTRY(M, V) [V][M] = tile_##M##_##V,
static void (*const tiles[3][17])(const tile *) = {TILES(TILE_ENTRY)};

#if HAS_MATRICES
#include "matrix_conv.h"
#else
/// There is no multiplication of matrices.
typedef struct {
    int32_t words;
} matrix_factors;
typedef struct {
    int32_t words;
} matrix_shape;
FORCE_INLINE void multiply_matrices(
    const tile *t, int32_t positions, int32_t vectors, const matrix_factors *f, matrix_shape *current) {
    (void)t, (void)positions, (void)vectors, (void)f, (void)current;
}
FORCE_INLINE void release_matrices(void) {}
enum { MOST_MATRIX_POSITIONS_1 = 0, MOST_MATRIX_POSITIONS_2 = 0 };
#endif

/// The activations that tiles leave to others, while the tile's outputs are in the nearest cache.
static void activate_tile(const tile *t, int32_t positions) {
    for (int32_t m = 0; m < positions; ++m) {
        if (!(t->kept >> m & 1)) continue;
        element *y = t->y + m * t->y_step;
        for (int32_t o = 0; o < t->outputs; o += LANES) {
            const vector x = activated(load_values(y + o), t->activation);
            if (t->outputs - o >= LANES) store_values(y + o, x);
            else store_first_values(y + o, x, t->outputs - o);
        }
    }
}

/// Completes the words of the tile's pixels, whose channels end in it.
static void complete_tile(const tile *t, int32_t positions, int32_t first_output, int32_t channels) {
    for (int32_t m = 0; m < positions; ++m)
        if (t->kept >> m & 1) complete_word(t->y + m * t->y_step - first_output, channels);
}

/// The most positions of a tile.
FORCE_INLINE int32_t most_positions(int32_t vectors, bool by_matrices) {
    if (by_matrices) return vectors == 1 ? MOST_MATRIX_POSITIONS_1 : MOST_MATRIX_POSITIONS_2;
    return vectors == 1 ? MOST_POSITIONS_1 : MOST_POSITIONS_2;
}
