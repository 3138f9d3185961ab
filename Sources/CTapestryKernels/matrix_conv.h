// Tiles of positions x outputs by matrix multiplication: positions' words are the rows of one factor, and packed
// weights, as they lie for vectors, those of the other one.
#pragma once
#include "matrices.h"

/// What registers are set up for: so many positions, vectors of outputs, and words at a time.
typedef struct {
    int32_t positions, vectors, words;
} matrix_shape;

/// How many words of every tap of a block a multiplication takes, or 0 where vectors are as fast. It depends on nothing
/// else, so that sums are the same whatever the walk is.
static int32_t matrix_words_of(const tk_convolution *c, const tk_block *block) {
    int32_t common = 0;
    for (int32_t i = 0; i < block->tap_count; ++i)
        for (int32_t words = c->taps[block->first_tap + i].words; words != 0;) {
            const int32_t rest = common % words;
            common = words, words = rest;
        }
    int32_t most = MATRIX_WORDS;
    while (most > 1 && common % most != 0) --most;
    return common > 0 && most > 1 ? most : 0;
}

/// Sums are in the registers 0 to 3. Of one vector, 16 positions each; 4 and 5 are for positions, of which the last ones
/// may be fewer, and 6 for weights. Of two vectors, two for 16 positions; 4 and 5 are for them, 6 and 7 for weights.
static void set_up_matrices(matrix_shape *current, matrix_shape s) {
    if (current->positions == s.positions && current->vectors == s.vectors && current->words == s.words) return;
    *current = s;
    matrix_configuration c = {.palette = 1};
    const int32_t pieces = (s.positions + MATRIX_ROWS - 1) / MATRIX_ROWS;
    const int32_t last = s.positions - (pieces - 1) * MATRIX_ROWS;
    for (int32_t i = 0; i < pieces; ++i)
        for (int32_t v = 0; v < s.vectors; ++v)
            set_matrix(&c, i * s.vectors + v, i == pieces - 1 ? last : MATRIX_ROWS, LANES);
    set_matrix(&c, 4, s.vectors == 2 && pieces == 1 ? last : MATRIX_ROWS, s.words);
    set_matrix(&c, 5, last, s.words);
    for (int32_t v = 0; v < s.vectors; ++v) set_matrix(&c, 6 + v, s.words, LANES);
    configure_matrices(&c);
}

#define FOR_EACH_MATRIX_STEP(t, words_at_once, V) \
    for (ptrdiff_t e = 0; e < (t)->entry_count; ++e) \
        for (const char *x = (const char *)((t)->x + (t)->entries[e].input), *w = (const char *)((t)->weights + (t)->entries[e].weights), \
                        *const end = x + (t)->entries[e].words * 4; \
             x < end; x += (words_at_once) * 4, w += (ptrdiff_t)(words_at_once) * (V) * LANES * 4)

/// One vector of outputs, and `pieces` times 16 positions.
FORCE_INLINE void multiply_by_one(const tile *t, int32_t words, const int pieces, float *sums) {
    const ptrdiff_t step = t->x_step * (ptrdiff_t)sizeof(element), piece = MATRIX_ROWS * step;
    _tile_zero(0);
    if (pieces > 1) _tile_zero(1);
    if (pieces > 2) _tile_zero(2);
    if (pieces > 3) _tile_zero(3);
    FOR_EACH_MATRIX_STEP(t, words, 1) {
        _tile_loadd(6, w, LANES * 4);
        if (pieces > 1) {
            _tile_loadd(4, x, step);
            _tile_dpbf16ps(0, 4, 6);
        }
        if (pieces > 2) {
            _tile_loadd(4, x + piece, step);
            _tile_dpbf16ps(1, 4, 6);
        }
        if (pieces > 3) {
            _tile_loadd(4, x + 2 * piece, step);
            _tile_dpbf16ps(2, 4, 6);
        }
        _tile_loadd(5, x + (pieces - 1) * piece, step);
        if (pieces == 1) _tile_dpbf16ps(0, 5, 6);
        if (pieces == 2) _tile_dpbf16ps(1, 5, 6);
        if (pieces == 3) _tile_dpbf16ps(2, 5, 6);
        if (pieces == 4) _tile_dpbf16ps(3, 5, 6);
    }
    _tile_stored(0, sums, LANES * 4);
    if (pieces > 1) _tile_stored(1, sums + MATRIX_ROWS * LANES, LANES * 4);
    if (pieces > 2) _tile_stored(2, sums + 2 * MATRIX_ROWS * LANES, LANES * 4);
    if (pieces > 3) _tile_stored(3, sums + 3 * MATRIX_ROWS * LANES, LANES * 4);
}

/// Two vectors of outputs.
FORCE_INLINE void multiply_by_two(const tile *t, int32_t words, const int pieces, float *sums) {
    const ptrdiff_t step = t->x_step * (ptrdiff_t)sizeof(element), row = 2 * LANES * 4;
    _tile_zero(0);
    _tile_zero(1);
    if (pieces > 1) {
        _tile_zero(2);
        _tile_zero(3);
    }
    FOR_EACH_MATRIX_STEP(t, words, 2) {
        _tile_loadd(6, w, row);
        _tile_loadd(7, w + LANES * 4, row);
        _tile_loadd(4, x, step);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (pieces > 1) {
            _tile_loadd(5, x + MATRIX_ROWS * step, step);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sums, row);
    _tile_stored(1, sums + LANES, row);
    if (pieces > 1) {
        _tile_stored(2, sums + 2 * LANES * MATRIX_ROWS, row);
        _tile_stored(3, sums + 2 * LANES * MATRIX_ROWS + LANES, row);
    }
}

enum { MOST_MATRIX_POSITIONS_1 = 4 * MATRIX_ROWS, MOST_MATRIX_POSITIONS_2 = 2 * MATRIX_ROWS };

/// Computes a tile. Biases are added to the sums of products.
static void multiply_matrices(const tile *t, int32_t positions, int32_t vectors, int32_t words, matrix_shape *current) {
    _Alignas(64) float sums[4 * MATRIX_ROWS * LANES];
    set_up_matrices(current, (matrix_shape){positions, vectors, words});
    const int32_t pieces = (positions + MATRIX_ROWS - 1) / MATRIX_ROWS;
    if (vectors == 2) {
        if (pieces == 1) multiply_by_two(t, words, 1, sums);
        else multiply_by_two(t, words, 2, sums);
    } else if (pieces == 1) multiply_by_one(t, words, 1, sums);
    else if (pieces == 2) multiply_by_one(t, words, 2, sums);
    else if (pieces == 3) multiply_by_one(t, words, 3, sums);
    else multiply_by_one(t, words, 4, sums);
    const vector bias[2] = {load(t->bias), load(t->bias + (vectors - 1) * LANES)};
    for (int32_t m = 0; m < positions; ++m) {
        if (!(t->kept >> m & 1)) continue;
        const float *sum = sums + m * vectors * LANES;
        finish(t, m, 0, load(sum) + bias[0]);
        if (vectors == 2) finish(t, m, 1, load(sum + LANES) + bias[1]);
    }
}
