// Convolution of each channel by itself: a vector is one pixel's neighbouring channels.
#pragma once

/// At most 8 neighbouring positions and one vector of channels. `x` is where the first window begins; taps in rows
/// outside the image are left out, and with `clips`, for which M is 1, those in columns outside.
FORCE_INLINE void depthwise_tile(
    const tk_depthwise *d, const int M, bool clips, int32_t row, int32_t column, const element *x, const float *weights,
    vector bias, element *y) {
    const ptrdiff_t step = (ptrdiff_t)d->input.pixel * d->stride_width;
    vector sum[8];
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) sum[m] = bias;
    for (int32_t i = 0; i < d->tap_count; ++i) {
        const tk_tap tap = d->taps[i];
        if (row + tap.row < 0 || row + tap.row >= d->input.height) continue;
        if (clips && (column + tap.column < 0 || column + tap.column >= d->input.width)) continue;
        const vector weight = load(weights + (ptrdiff_t)i * d->input.pixel);
        const element *source = x + tap.row * d->input.row + (ptrdiff_t)tap.column * d->input.pixel;
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) sum[m] = multiply_add(load_values(source + m * step), weight, sum[m]);
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) store_values(y + (ptrdiff_t)m * d->output.pixel, activated(sum[m], d->activation));
}

/// The output columns whose windows lie inside the image's columns.
static range inner_columns(const tk_depthwise *d) {
    int32_t least = 0, most = 0;
    for (int32_t i = 0; i < d->tap_count; ++i) {
        least = d->taps[i].column < least ? d->taps[i].column : least;
        most = d->taps[i].column > most ? d->taps[i].column : most;
    }
    const int32_t stride = d->stride_width, room = d->input.width - 1 - most;
    range inner = {(-least + stride - 1) / stride, room < 0 ? 0 : room / stride + 1};
    if (inner.from > d->output.width) inner.from = d->output.width;
    if (inner.to > d->output.width) inner.to = d->output.width;
    if (inner.to < inner.from) inner.to = inner.from;
    return inner;
}

static void convolve_depthwise(const tk_depthwise *d, const void *from, void *to, tk_share share) {
    const element *const x = from;
    element *const y = to;
    const range lines = part_of((int64_t)share.images * d->output.height, share);
    const range inner = inner_columns(d);
    const ptrdiff_t step = (ptrdiff_t)d->input.pixel * d->stride_width;
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / d->output.height;
        const int32_t i = (int32_t)(line % d->output.height), row = i * d->stride_height;
        const element *source = x + image * d->input.image + row * d->input.row;
        element *target = y + image * d->output.image + i * d->output.row;
        for (int32_t c = 0; c < d->input.pixel; c += LANES) {
            const float *weights = d->weights + c;
            const vector bias = load(d->bias + c);
            int32_t j = 0;
#define DEPTHWISE(M, clips) \
    depthwise_tile( \
        d, M, clips, row, j * d->stride_width, source + j * step + c, weights, bias, \
        target + (ptrdiff_t)j * d->output.pixel + c)
            for (; j < inner.from; ++j) DEPTHWISE(1, true);
            for (; j + 8 <= inner.to; j += 8) DEPTHWISE(8, false);
            for (; j + 4 <= inner.to; j += 4) DEPTHWISE(4, false);
            for (; j < d->output.width; ++j) DEPTHWISE(1, true);
#undef DEPTHWISE
        }
    }
}
