// Convolution of each channel by itself: a vector is one pixel's neighbouring channels.
#pragma once

#define MOST_DEPTHWISE_POSITIONS 8

/// M neighbouring positions and one vector of channels. `x` is where the first window begins.
FORCE_INLINE void compute_depthwise_tile(
    const tk_depthwise *d, const int M, const element *x, const float *weights, vector bias, element *y) {
    const ptrdiff_t step = (ptrdiff_t)d->input.pixel * d->stride_width;
    vector sum[MOST_DEPTHWISE_POSITIONS];
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) sum[m] = bias;
    for (int32_t i = 0; i < d->tap_count; ++i) {
        const vector weight = load(weights + (ptrdiff_t)i * d->input.pixel);
        const element *source = x + d->offsets[i];
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) sum[m] = multiply_add(load_values(source + m * step), weight, sum[m]);
    }
    // One decision for all: each activation's constants stay in registers.
#define STORE_ACTIVATED(activation) \
    { \
        _Pragma("clang loop unroll(full)") for (int m = 0; m < M; ++m) \
            store_values(y + (ptrdiff_t)m * d->output.pixel, activated(sum[m], activation)); \
        break; \
    }
    switch (d->activation) {
    case TK_IDENTITY: STORE_ACTIVATED(TK_IDENTITY)
    case TK_RELU: STORE_ACTIVATED(TK_RELU)
    case TK_SIGMOID: STORE_ACTIVATED(TK_SIGMOID)
    case TK_SWISH: STORE_ACTIVATED(TK_SWISH)
    }
#undef STORE_ACTIVATED
}

#define DEPTHWISE_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define DEFINE_DEPTHWISE_TILE(M) \
    static void depthwise_tile_##M( \
        const tk_depthwise *d, const element *x, const float *weights, vector bias, element *y) { \
        compute_depthwise_tile(d, M, x, weights, bias, y); \
    }
DEPTHWISE_TILES(DEFINE_DEPTHWISE_TILE)

#define DEPTHWISE_TILE_ENTRY(M) [M] = depthwise_tile_##M,
static void (*const depthwise_tiles[])(const tk_depthwise *, const element *, const float *, vector, element *) = {
    DEPTHWISE_TILES(DEPTHWISE_TILE_ENTRY)};

static void convolve_depthwise(const tk_depthwise *d, const void *from, void *to, tk_share share) {
    const element *const x = from;
    element *const y = to;
    const range lines = part_of((int64_t)share.images * d->output.height, share);
    const ptrdiff_t step = (ptrdiff_t)d->input.pixel * d->stride_width;
    // Nearly equal tiles, so that none is short.
    const int32_t tiles = (d->output.width + MOST_DEPTHWISE_POSITIONS - 1) / MOST_DEPTHWISE_POSITIONS;
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / d->output.height, row = line % d->output.height;
        const element *source = x + image * d->input.image + row * d->stride_height * d->input.row;
        element *target = y + image * d->output.image + row * d->output.row;
        for (int32_t c = 0; c < d->input.pixel; c += LANES) {
            const vector bias = load(d->bias + c);
            for (int32_t t = 0, column = 0; t < tiles; ++t) {
                const int32_t M = d->output.width / tiles + (t < d->output.width % tiles);
                depthwise_tiles[M](
                    d, source + column * step + c, d->weights + c, bias,
                    target + (ptrdiff_t)column * d->output.pixel + c);
                column += M;
            }
        }
    }
}
