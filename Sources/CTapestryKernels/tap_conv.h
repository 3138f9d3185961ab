// Convolution by taps: every support is a list of taps on ranges of channels, and a tap is an offset in the input.
#pragma once
#include "tap_tiles.h"

/// Lines of positions, and the chunks of a line of which each is a tile.
typedef struct {
    int64_t lines;
    int32_t length, chunks;
} walk;

FORCE_INLINE walk walk_of(const tk_convolution *c, int32_t images, int32_t most_positions) {
    walk w;
    switch (c->walk) {
    case TK_FLAT:
        w.lines = images;
        w.length = (c->output.height - 1) * (int32_t)(c->output.row / c->output.pixel) + c->output.width;
        break;
    case TK_ROWS:
        w.lines = (int64_t)images * c->output.height;
        w.length = c->output.width;
        break;
    case TK_IMAGES:
        w.lines = (int64_t)c->output.height * c->output.width;
        w.length = images;
        break;
    }
    w.chunks = (w.length + most_positions - 1) / most_positions;
    return w;
}

FORCE_INLINE bool is_inside(const tk_image *x, int32_t row, int32_t column) {
    return row >= 0 && row < x->height && column >= 0 && column < x->width;
}

/// Whether a tap is the right-hand neighbour of the one before it, on the same channels.
FORCE_INLINE bool continues(tk_tap before, tk_tap tap) {
    return tap.row == before.row && tap.column == before.column + 1 && tap.first_channel == before.first_channel
        && tap.words == before.words;
}

/// Resolves a block's taps for positions whose windows begin at (row, column); with `clips`, those inside the image,
/// with `shares`, neighbours of a row together.
static ptrdiff_t resolve_taps(
    const tk_convolution *c, const tk_block *block, bool clips, bool shares, int32_t row, int32_t column,
    tk_entry *entries) {
    const tk_tap *const taps = c->taps + block->first_tap;
    ptrdiff_t count = 0, weights = 0;
    for (int32_t i = 0; i < block->tap_count; ++i) {
        const tk_tap tap = taps[i];
        if (shares && i > 0 && entries[count - 1].columns < MOST_COLUMNS && continues(taps[i - 1], tap))
            ++entries[count - 1].columns;
        else if (!clips || is_inside(&c->input, row + tap.row, column + tap.column))
            entries[count++] = (tk_entry){
                (ptrdiff_t)tap.row * c->input.row + (ptrdiff_t)tap.column * c->input.pixel + tap.first_channel, weights,
                tap.words, 1};
        weights += (ptrdiff_t)tap.words * block->vectors * LANES;
    }
    return count;
}

/// How far a block's taps reach out of their position.
typedef struct {
    int32_t top, left, bottom, right;
} reach;

static reach reach_of(const tk_convolution *c, const tk_block *block) {
    reach r = {INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};
    for (int32_t i = 0; i < block->tap_count; ++i) {
        const tk_tap tap = c->taps[block->first_tap + i];
        r.top = tap.row < r.top ? tap.row : r.top;
        r.left = tap.column < r.left ? tap.column : r.left;
        r.bottom = tap.row > r.bottom ? tap.row : r.bottom;
        r.right = tap.column > r.right ? tap.column : r.right;
    }
    return r;
}

/// Which of `count` flat positions from `first` on are no pads.
FORCE_INLINE uint64_t kept_positions(int32_t first, int32_t count, int32_t pitch, int32_t width) {
    uint64_t kept = 0;
    int32_t column = first % pitch;
    for (int32_t i = 0; i < count; ++i) {
        kept |= (uint64_t)(column < width) << i;
        column = column + 1 == pitch ? 0 : column + 1;
    }
    return kept;
}

/// The chunks `items` of one block, numbered line by line.
static void convolve_block(
    const tk_convolution *c, const tk_block *block, const matrix_factors *f, const walk *w, range items, const element *x,
    const element *residual, element *y, tk_entry *entries) {
    const int32_t columns = c->output.width, rows = c->output.height;
    const int32_t pitch = (int32_t)(c->output.row / c->output.pixel);
    tile t = {
        .entries = entries, .weights = c->weights + block->weights, .bias = c->bias + block->first_output,
        .outputs = block->outputs, .activation = c->activation, .stores_floats = c->stores_floats};
    const bool by_image = c->walk == TK_IMAGES;
    t.x_step = by_image ? c->input.image : (ptrdiff_t)c->input.pixel * c->stride_width;
    t.y_step = by_image ? c->output.image : c->output.pixel;
    // Most positions are away from the image's border and share their entries.
    const bool shares = c->shares_columns && block->vectors == 1 && f->words == 0;
    t.entry_count = resolve_taps(c, block, false, shares, 0, 0, entries);
    bool are_all = true;
    const reach reach = reach_of(c, block);
    const bool completes = WORD_ELEMENTS > 1 && !c->stores_floats && c->output.channels % WORD_ELEMENTS != 0
        && block->first_output + block->outputs >= c->output.channels;
    void (*const *const table)(const tile *) = tiles[block->vectors];
    matrix_shape shape = {0};
    const int32_t size = w->length / w->chunks, longer = w->length % w->chunks;
    int64_t line = items.from / w->chunks;
    int32_t chunk = (int32_t)(items.from % w->chunks);
    for (int64_t item = items.from; item < items.to; ++line, chunk = 0) {
        ptrdiff_t source, target;
        switch (c->walk) {
        case TK_FLAT:
            source = line * c->input.image, target = line * c->output.image;
            break;
        case TK_ROWS: {
            const int64_t image = line / rows, row = line % rows;
            source = image * c->input.image + row * c->stride_height * c->input.row;
            target = image * c->output.image + row * c->output.row;
            break;
        }
        case TK_IMAGES: {
            const int32_t row = (int32_t)(line / columns), column = (int32_t)(line % columns);
            const int32_t i = row * c->stride_height, j = column * c->stride_width;
            const bool is_inner = block->tap_count == 0
                || (is_inside(&c->input, i + reach.top, j + reach.left)
                    && is_inside(&c->input, i + reach.bottom, j + reach.right));
            if (!is_inner || !are_all) t.entry_count = resolve_taps(c, block, !is_inner, false, i, j, entries);
            are_all = is_inner;
            source = (ptrdiff_t)i * c->input.row + (ptrdiff_t)j * c->input.pixel;
            target = (ptrdiff_t)row * c->output.row + (ptrdiff_t)column * c->output.pixel;
            break;
        }
        }
        target += WORD_ELEMENTS > 1 && c->stores_floats ? block->first_output * WORD_ELEMENTS : block->first_output;
        for (; chunk < w->chunks && item < items.to; ++chunk, ++item) {
            // The first `longer` chunks have one position more.
            const int32_t first = chunk * size + (chunk < longer ? chunk : longer);
            const int32_t count = size + (chunk < longer);
            t.kept = c->walk == TK_FLAT ? kept_positions(first, count, pitch, columns) : ~(uint64_t)0;
            if (t.kept == 0) continue;
            t.x = x + source + first * t.x_step;
            const ptrdiff_t place = target + first * t.y_step;
            t.y = y + place;
            t.residual = residual ? residual + place : NULL;
            if (f->words > 0) multiply_matrices(&t, count, block->vectors, f, &shape);
            else table[count](&t);
            if (c->activation > TK_RELU) activate_tile(&t, count);
            if (completes) complete_tile(&t, count, block->first_output, c->output.channels);
        }
    }
    if (f->words > 0) release_matrices();
}

#if HAS_MATRICES && WORD_ELEMENTS == 1
#include "matrix_split.h"
#else
/// Values are multiplied as they are.
typedef struct {
    int32_t none;
} splitting;
FORCE_INLINE void split_images(const tk_convolution *c, splitting *s, const element *x, range images) {
    (void)c, (void)s, (void)x, (void)images;
}
FORCE_INLINE matrix_factors factors_of(const tk_convolution *c, const tk_block *block, const splitting *s) {
    (void)c, (void)block, (void)s;
#if HAS_MATRICES
    const int32_t words = matrix_words_of(c, block);
    // One by one, vectors are as fast.
    return (matrix_factors){.words = words > 1 ? words : 0};
#else
    return (matrix_factors){0};
#endif
}
#endif

/// `s` is NULL where nothing is to be split.
FORCE_INLINE void convolve_by(
    const tk_convolution *c, const element *x, const element *residual, element *y, tk_entry *room, tk_share share,
    splitting *s) {
    const bool splits_outputs = c->splits_outputs && share.parts > 1;
    const range blocks = splits_outputs ? part_of(c->block_count, share) : (range){0, c->block_count};
    // One image after the other where its pixels are walked by themselves: they stay in a cache for all blocks.
    const bool is_by_image = c->walk != TK_IMAGES && share.parts == 1;
    const int32_t rounds = is_by_image ? share.images : 1;
    for (int32_t round = 0; round < rounds; ++round) {
        if (s) split_images(c, s, x, is_by_image ? (range){round, round + 1} : (range){0, share.images});
        for (int64_t i = blocks.from; i < blocks.to; ++i) {
            const tk_block *const block = &c->blocks[i];
            const matrix_factors factors = factors_of(c, block, s);
            const walk w = walk_of(c, share.images, most_positions(block->vectors, factors.words > 0));
            const int64_t count = w.lines * w.chunks;
            const range items = splits_outputs ? (range){0, count}
                : is_by_image ? (range){count / rounds * round, count / rounds * (round + 1)} : part_of(count, share);
            convolve_block(c, block, &factors, &w, items, x, residual, y, room);
        }
    }
}

static void convolve(
    const tk_convolution *c, const void *x, const void *residual, void *y, tk_entry *room, tk_share share) {
    convolve_by(c, x, residual, y, room, share, NULL);
}

#if HAS_MATRICES && WORD_ELEMENTS == 1
static void convolve_split(
    const tk_convolution *c, const void *x, const void *residual, void *y, tk_entry *room, void *parts,
    tk_share share) {
    splitting s = {.parts = parts};
    convolve_by(c, x, residual, y, room, share, &s);
}
#endif
