// Tiles of positions x outputs by matrix multiplication: positions' words are the rows of one factor, and packed
// weights, as they lie for vectors, those of the other one.
//
// Floats are sums of three parts that such words hold, each the rounded rest of those before it: 8 + 8 + 8 bits. Of the
// nine products of parts of a number and of a weight the six largest are added up; the other three are less than the
// rounding of one product in floats.
#pragma once
#include "matrices.h"

#if WORD_ELEMENTS == 2
enum { PARTS = 1, PASSES = 1 };
static const struct {
    int x, weights;
} passes[PASSES] = {{0, 0}};
#else
enum { PARTS = 3, PASSES = 6 };
/// Which parts are multiplied.
static const struct {
    int x, weights;
} passes[PASSES] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {2, 0}};
#endif

/// How a block is multiplied.
typedef struct {
    /// Of a tap, at a time; 0 where it is by vectors.
    int32_t words;
    /// Of values in parts: the first number of them, where the first part has it, and how far apart parts lie, in
    /// elements of 2 bytes; those of the block's weights, in words.
    const element *origin;
    const uint16_t *parts;
    ptrdiff_t part, weight_part;
} matrix_factors;

/// What registers are set up for: so many positions, vectors of outputs, and words at a time.
typedef struct {
    int32_t positions, vectors, words;
} matrix_shape;

/// How many words of every tap of a block a multiplication takes: at most a register's, and as many of each. It depends
/// on nothing else, so that sums are the same whatever the walk is.
static int32_t matrix_words_of(const tk_convolution *c, const tk_block *block) {
    int32_t common = 0;
    for (int32_t i = 0; i < block->tap_count; ++i)
        for (int32_t words = c->taps[block->first_tap + i].words; words != 0;) {
            const int32_t rest = common % words;
            common = words, words = rest;
        }
    int32_t most = MATRIX_WORDS;
    while (most > 1 && common % most != 0) --most;
    return most;
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

/// Where the factors of each pass begin.
typedef struct {
    const char *x[PASSES], *weights[PASSES];
} matrix_sources;

FORCE_INLINE matrix_sources sources_of(const tile *t, const matrix_factors *f) {
    matrix_sources s;
#pragma clang loop unroll(full)
    for (int p = 0; p < PASSES; ++p) {
#if WORD_ELEMENTS == 2
        s.x[p] = (const char *)t->x;
#else
        s.x[p] = (const char *)(f->parts + passes[p].x * f->part + (t->x - f->origin));
#endif
        s.weights[p] = (const char *)(t->weights + passes[p].weights * f->weight_part);
    }
    return s;
}

/// What follows for the factors `x` and `w` of each pass of each step, a few words of a tap.
#define FOR_EACH_MATRIX_STEP(t, f, V, ...) \
    { \
        const matrix_sources sources = sources_of(t, f); \
        for (ptrdiff_t e = 0; e < (t)->entry_count; ++e) { \
            ptrdiff_t place = (t)->entries[e].input * 2, weight = (t)->entries[e].weights * 4; \
            for (ptrdiff_t left = (t)->entries[e].words; left > 0; left -= (f)->words) { \
                _Pragma("clang loop unroll(full)") for (int pass = 0; pass < PASSES; ++pass) { \
                    const char *const x = sources.x[pass] + place, *const w = sources.weights[pass] + weight; \
                    __VA_ARGS__ \
                } \
                place += (f)->words * 4, weight += (ptrdiff_t)(f)->words * (V) * LANES * 4; \
            } \
        } \
    }

/// One vector of outputs, and `pieces` times 16 positions.
FORCE_INLINE void multiply_by_one(const tile *t, const matrix_factors *f, const int pieces, float *sums) {
    const ptrdiff_t step = t->x_step * 2, piece = MATRIX_ROWS * step;
    _tile_zero(0);
    if (pieces > 1) _tile_zero(1);
    if (pieces > 2) _tile_zero(2);
    if (pieces > 3) _tile_zero(3);
    FOR_EACH_MATRIX_STEP(t, f, 1, {
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
    })
    _tile_stored(0, sums, LANES * 4);
    if (pieces > 1) _tile_stored(1, sums + MATRIX_ROWS * LANES, LANES * 4);
    if (pieces > 2) _tile_stored(2, sums + 2 * MATRIX_ROWS * LANES, LANES * 4);
    if (pieces > 3) _tile_stored(3, sums + 3 * MATRIX_ROWS * LANES, LANES * 4);
}

/// Two vectors of outputs.
FORCE_INLINE void multiply_by_two(const tile *t, const matrix_factors *f, const int pieces, float *sums) {
    const ptrdiff_t step = t->x_step * 2, row = 2 * LANES * 4;
    _tile_zero(0);
    _tile_zero(1);
    if (pieces > 1) {
        _tile_zero(2);
        _tile_zero(3);
    }
    FOR_EACH_MATRIX_STEP(t, f, 2, {
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
    })
    _tile_stored(0, sums, row);
    _tile_stored(1, sums + LANES, row);
    if (pieces > 1) {
        _tile_stored(2, sums + 2 * LANES * MATRIX_ROWS, row);
        _tile_stored(3, sums + 2 * LANES * MATRIX_ROWS + LANES, row);
    }
}

enum { MOST_MATRIX_POSITIONS_1 = 4 * MATRIX_ROWS, MOST_MATRIX_POSITIONS_2 = 2 * MATRIX_ROWS };

/// Computes a tile. Biases are added to the sums of products.
static void multiply_matrices(
    const tile *t, int32_t positions, int32_t vectors, const matrix_factors *f, matrix_shape *current) {
    _Alignas(64) float sums[4 * MATRIX_ROWS * LANES];
    set_up_matrices(current, (matrix_shape){positions, vectors, f->words});
    const int32_t pieces = (positions + MATRIX_ROWS - 1) / MATRIX_ROWS;
    if (vectors == 2) {
        if (pieces == 1) multiply_by_two(t, f, 1, sums);
        else multiply_by_two(t, f, 2, sums);
    } else if (pieces == 1) multiply_by_one(t, f, 1, sums);
    else if (pieces == 2) multiply_by_one(t, f, 2, sums);
    else if (pieces == 3) multiply_by_one(t, f, 3, sums);
    else multiply_by_one(t, f, 4, sums);
    const vector bias[2] = {load(t->bias), load(t->bias + (vectors - 1) * LANES)};
    for (int32_t m = 0; m < positions; ++m) {
        if (!(t->kept >> m & 1)) continue;
        const float *sum = sums + m * vectors * LANES;
        finish(t, m, 0, load(sum) + bias[0]);
        if (vectors == 2) finish(t, m, 1, load(sum + LANES) + bias[1]);
    }
}
