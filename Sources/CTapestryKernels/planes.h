// Convolution of planes: a vector is neighbouring positions of one channel, so that few outputs with a support of their
// own waste nothing.
#pragma once

#define PLANE_OUTPUTS 4

/// M vectors of positions x PLANE_OUTPUTS outputs. Positions on pads are computed and stored like all others.
FORCE_INLINE void planes_tile(
    const tk_convolution *c, const int M, const tk_entry *entries, ptrdiff_t entry_count, const float *weights,
    const float *bias, const float *x, const float *residual, float *y) {
    // Arrays of the largest M: one of a length that is no constant would stay in memory.
    vector sum[MOST_PLANE_VECTORS][PLANE_OUTPUTS];
#pragma clang loop unroll(full)
    for (int o = 0; o < PLANE_OUTPUTS; ++o) {
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) sum[m][o] = all(bias[o]);
    }
    for (ptrdiff_t e = 0; e < entry_count; ++e) {
        const float *source = x + entries[e].input, *w = weights + entries[e].weights;
        for (ptrdiff_t left = entries[e].words; left > 0; --left) {
            vector value[MOST_PLANE_VECTORS];
#pragma clang loop unroll(full)
            for (int m = 0; m < M; ++m) value[m] = load(source + m * LANES);
#if MULTIPLIES_BY_ELEMENT
            // One load brings those of all outputs.
            const vector weight = load(w);
            _Static_assert(LANES == PLANE_OUTPUTS, "a vector has an element for each output");
#else
            const float *weight = w;
#endif
#pragma clang loop unroll(full)
            for (int o = 0; o < PLANE_OUTPUTS; ++o) {
                const vector factor = all(weight[o]);
#pragma clang loop unroll(full)
                for (int m = 0; m < M; ++m) sum[m][o] = multiply_add(value[m], factor, sum[m][o]);
            }
            source += c->input.channel;
            w += PLANE_OUTPUTS;
        }
    }
#pragma clang loop unroll(full)
    for (int o = 0; o < PLANE_OUTPUTS; ++o) {
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) {
            const ptrdiff_t place = o * c->output.channel + m * LANES;
            const vector total = residual ? sum[m][o] + load(residual + place) : sum[m][o];
            store(y + place, c->activation == TK_RELU ? rectified(total) : total);
        }
    }
}

#define PLANES_ARGUMENTS \
    const tk_convolution *c, const tk_entry *entries, ptrdiff_t entry_count, const float *weights, const float *bias, \
        const float *x, const float *residual, float *y
#define DEFINE_PLANES_TILE(M) \
    static void planes_tile_##M(PLANES_ARGUMENTS) { \
        planes_tile(c, M, entries, entry_count, weights, bias, x, residual, y); \
    }
PLANE_TILES(DEFINE_PLANES_TILE)

#define PLANES_TILE_ENTRY(M) [M] = planes_tile_##M,
static void (*const planes_tiles[])(PLANES_ARGUMENTS) = {PLANE_TILES(PLANES_TILE_ENTRY)};

/// Shares are of images' blocks.
static void convolve_planes(
    const tk_convolution *c, const void *from, const void *addend, void *to, tk_entry *room, tk_share share) {
    const float *const x = from, *const residual = addend;
    float *const y = to;
    const int32_t pitch = (int32_t)c->output.row;
    const int32_t vectors = ((c->output.height - 1) * pitch + c->output.width + LANES - 1) / LANES;
    const int32_t tiles = (vectors + MOST_PLANE_VECTORS - 1) / MOST_PLANE_VECTORS;
    const range items = part_of((int64_t)share.images * c->block_count, share);
    for (int64_t item = items.from; item < items.to; ++item) {
        const int64_t image = item / c->block_count;
        const tk_block *block = &c->blocks[item % c->block_count];
        ptrdiff_t weights = 0;
        for (int32_t i = 0; i < block->tap_count; ++i) {
            const tk_tap tap = c->taps[block->first_tap + i];
            room[i] = (tk_entry){
                tap.row * pitch + tap.column + tap.first_channel * c->input.channel, weights, tap.words, 1};
            weights += (ptrdiff_t)tap.words * PLANE_OUTPUTS;
        }
        const float *source = x + image * c->input.image;
        const ptrdiff_t place = image * c->output.image + block->first_output * c->output.channel;
        int32_t first = 0;
        for (int32_t t = 0; t < tiles; ++t) {
            const int32_t count = vectors / tiles + (t < vectors % tiles);
            const ptrdiff_t offset = (ptrdiff_t)first * LANES;
            planes_tiles[count](
                c, room, block->tap_count, c->weights + block->weights, c->bias + block->first_output, source + offset,
                residual ? residual + place + offset : NULL, y + place + offset);
            first += count;
        }
        if (c->activation > TK_RELU)
            for (int32_t o = 0; o < PLANE_OUTPUTS; ++o) {
                float *plane = y + place + o * c->output.channel;
                for (int32_t v = 0; v < vectors * LANES; v += LANES)
                    store(plane + v, activated(load(plane + v), c->activation));
            }
        for (int32_t o = 0; o < PLANE_OUTPUTS; ++o)
            clear_plane(&c->output, y + place + o * c->output.channel, 0, c->output.channel);
    }
}
