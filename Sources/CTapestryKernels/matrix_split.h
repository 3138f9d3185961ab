// Floats as sums of parts that matrices are made of.
#pragma once

/// Images in parts.
typedef struct {
    uint16_t *parts;
    /// The first float of them, and how far apart parts lie: whole cache lines.
    const float *origin;
    ptrdiff_t part;
} splitting;

FORCE_INLINE void split_vector(__m512 x, uint16_t *to, ptrdiff_t part, __mmask16 mask) {
#pragma clang loop unroll(full)
    for (int i = 0; i < PARTS; ++i) {
        const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x);
        _mm256_mask_storeu_epi16(to + i * part, mask, rounded);
        x -= (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16);
    }
}

/// All that a convolution reads of some images: between them and around them too, where its taps reach.
static void split_images(const tk_convolution *c, splitting *s, const float *x, range images) {
    const tk_image *const in = &c->input;
    int64_t first = 0, last = (int64_t)(in->height - 1) * in->row + (int64_t)(in->width - 1) * in->pixel;
    if (c->walk != TK_IMAGES) {
        const int64_t end = (int64_t)(c->output.height - 1) * c->stride_height * in->row
            + (int64_t)(c->output.width - 1) * c->stride_width * in->pixel;
        first = INT64_MAX, last = INT64_MIN;
        for (int32_t b = 0; b < c->block_count; ++b)
            for (int32_t i = 0; i < c->blocks[b].tap_count; ++i) {
                const tk_tap tap = c->taps[c->blocks[b].first_tap + i];
                const int64_t offset = tap.row * in->row + (int64_t)tap.column * in->pixel;
                first = offset < first ? offset : first;
                last = offset + end > last ? offset + end : last;
            }
        // There are no taps.
        if (first == INT64_MAX) first = last = 0;
    }
    s->origin = x + images.from * in->image + first;
    const ptrdiff_t count = (images.to - images.from - 1) * in->image + last - first + in->channels;
    s->part = (count + 31) / 32 * 32;
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        const ptrdiff_t left = count - i;
        const __mmask16 mask = left < LANES ? (__mmask16)((1u << left) - 1) : (__mmask16)0xFFFF;
        split_vector(_mm512_maskz_loadu_ps(mask, s->origin + i), s->parts + i, s->part, mask);
    }
}

static matrix_factors factors_of(const tk_convolution *c, const tk_block *block, const splitting *s) {
    if (!s) return (matrix_factors){0};
    ptrdiff_t words = 0;
    for (int32_t i = 0; i < block->tap_count; ++i) words += c->taps[block->first_tap + i].words;
    return (matrix_factors){
        .words = matrix_words_of(c, block), .origin = s->origin, .parts = s->parts, .part = s->part,
        .weight_part = words * block->vectors * LANES};
}
