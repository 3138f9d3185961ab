// The gradient of weights by matrix multiplication: of up to 16 outputs and a vector of channels, over as many words of
// positions at a time. The gradient of the output is transposed for it; the input's words lie as they should.
#pragma once
#include "matrices.h"

/// Of `count` rows of 16 words from `from` on, word r of row c becomes word c of row r. Other rows count as zeros.
static void transpose_words(const float *from, ptrdiff_t step, int32_t count, float *to) {
    __m512 a[MATRIX_ROWS], b[MATRIX_ROWS];
    for (int i = 0; i < MATRIX_ROWS; ++i) a[i] = i < count ? _mm512_loadu_ps(from + i * step) : _mm512_setzero_ps();
    // Of each four rows, then of fours of columns.
    for (int i = 0; i < MATRIX_ROWS; i += 4) {
        const __m512 low01 = _mm512_unpacklo_ps(a[i], a[i + 1]), low23 = _mm512_unpacklo_ps(a[i + 2], a[i + 3]);
        const __m512 high01 = _mm512_unpackhi_ps(a[i], a[i + 1]), high23 = _mm512_unpackhi_ps(a[i + 2], a[i + 3]);
        b[i] = _mm512_shuffle_ps(low01, low23, 0x44), b[i + 1] = _mm512_shuffle_ps(low01, low23, 0xEE);
        b[i + 2] = _mm512_shuffle_ps(high01, high23, 0x44), b[i + 3] = _mm512_shuffle_ps(high01, high23, 0xEE);
    }
    for (int i = 0; i < 4; ++i) {
        const __m512 even01 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
        const __m512 even23 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        const __m512 odd01 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xDD);
        const __m512 odd23 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xDD);
        _mm512_store_ps(to + i * MATRIX_WORDS, _mm512_shuffle_f32x4(even01, even23, 0x88));
        _mm512_store_ps(to + (i + 4) * MATRIX_WORDS, _mm512_shuffle_f32x4(odd01, odd23, 0x88));
        _mm512_store_ps(to + (i + 8) * MATRIX_WORDS, _mm512_shuffle_f32x4(even01, even23, 0xDD));
        _mm512_store_ps(to + (i + 12) * MATRIX_WORDS, _mm512_shuffle_f32x4(odd01, odd23, 0xDD));
    }
}

/// Adds the products of a run to register `number`. Of fewer words than there are rows, the last rows are zeros.
#define ADD_MATRIX_PRODUCT(number) \
    if (runs > (number)) { \
        const float *const x = source[number] + offset; \
        if (count == words) _tile_loadd(7, x, w->input[2] * 4); \
        else { \
            for (int32_t i = 0; i < count; ++i) store(rest + i * LANES, load(x + i * w->input[2])); \
            _tile_loadd(7, rest, LANES * 4); \
        } \
        _tile_dpbf16ps(number, 6, 7); \
    }

#define STORE_MATRIX_SUMS(number) \
    if (runs > (number)) _tile_stored(number, sums + (number) * MATRIX_ROWS * LANES, LANES * 4);

/// Up to 6 runs x 16 outputs, whose sums stay in the registers 0 to 5 over all positions.
static void multiply_products(
    int32_t runs, const positions *w, const float *x, const float *dy, const tk_run *run, int32_t outputs,
    float *gradient, int64_t output_step) {
    _Alignas(64) float sums[MATRIX_PRODUCT_RUNS * MATRIX_ROWS * LANES], rest[MATRIX_ROWS * LANES] = {0};
    // Two, so that one may be filled while the other one is read.
    _Alignas(64) float factors[2][MATRIX_ROWS * MATRIX_WORDS];
    const int32_t steps = (int32_t)((w->count[2] + MATRIX_WORDS - 1) / MATRIX_WORDS);
    if (w->count[0] * w->count[1] * steps == 0) return;
    const int32_t words = (int32_t)((w->count[2] + steps - 1) / steps);
    matrix_configuration c = {.palette = 1};
    for (int32_t e = 0; e < runs; ++e) set_matrix(&c, e, outputs, LANES);
    set_matrix(&c, 6, outputs, words);
    set_matrix(&c, 7, words, LANES);
    configure_matrices(&c);
    const float *source[MATRIX_PRODUCT_RUNS];
    for (int32_t e = 0; e < runs; ++e) source[e] = x + run[e].input;
    int32_t turn = 0;
    for (int64_t a = 0; a < w->count[0]; ++a)
        for (int64_t b = 0; b < w->count[1]; ++b)
            for (int64_t first = 0; first < w->count[2]; first += words, turn = !turn) {
                const int32_t count = (int32_t)(w->count[2] - first < words ? w->count[2] - first : words);
                const ptrdiff_t offset = a * w->input[0] + b * w->input[1] + first * w->input[2];
                const float *const d = dy + a * w->output[0] + b * w->output[1] + first * w->output[2];
                transpose_words(d, w->output[2], count, factors[turn]);
                _tile_loadd(6, factors[turn], MATRIX_WORDS * 4);
                ADD_MATRIX_PRODUCT(0)
                ADD_MATRIX_PRODUCT(1)
                ADD_MATRIX_PRODUCT(2)
                ADD_MATRIX_PRODUCT(3)
                ADD_MATRIX_PRODUCT(4)
                ADD_MATRIX_PRODUCT(5)
            }
    STORE_MATRIX_SUMS(0)
    STORE_MATRIX_SUMS(1)
    STORE_MATRIX_SUMS(2)
    STORE_MATRIX_SUMS(3)
    STORE_MATRIX_SUMS(4)
    STORE_MATRIX_SUMS(5)
    release_matrices();
    for (int32_t e = 0; e < runs; ++e)
        for (int32_t m = 0; m < outputs; ++m) {
            float *const place = gradient + run[e].weights + m * output_step;
            const vector sum = load(sums + (e * MATRIX_ROWS + m) * LANES);
            store_some_floats(place, sum + load_some_floats(place, run[e].count), run[e].count);
        }
}
