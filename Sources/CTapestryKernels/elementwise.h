// What happens to each value by itself, a row of an image at a time.
#pragma once

static void add(
    const tk_image *layout, tk_activation activation, const void *first, const void *second, void *to, tk_share share) {
    const element *const a = first, *const b = second;
    element *const y = to;
    const range lines = part_of((int64_t)share.images * layout->height, share);
    const int64_t length = (int64_t)layout->width * layout->pixel;
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t row = line / layout->height * layout->image + line % layout->height * layout->row;
        for (int64_t i = row; i < row + length; i += LANES) {
            const vector sum = b ? load_values(a + i) + load_values(b + i) : load_values(a + i);
            store_values(y + i, activated(sum, activation));
        }
    }
}

/// One vector of a row's channels: `step` elements are between pixels.
FORCE_INLINE void scale_row(
    const element *x, element *y, int64_t width, int64_t step, vector factor, const float *offset,
    tk_activation activation) {
    const vector term = offset ? load(offset) : (vector)0;
    for (int64_t j = 0; j < width * step; j += step) {
        const vector value = load_values(x + j);
        store_values(y + j, activated(offset ? multiply_add(value, factor, term) : value * factor, activation));
    }
}

static void scale(
    const tk_image *layout, tk_activation activation, const void *from, const float *factors, const float *offsets,
    void *to, tk_share share) {
    const range lines = part_of((int64_t)share.images * layout->height, share);
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t row = line / layout->height * layout->image + line % layout->height * layout->row;
        for (int32_t c = 0; c < layout->pixel; c += LANES)
            scale_row(
                (const element *)from + row + c, (element *)to + row + c, layout->width, layout->pixel,
                load(factors + c), offsets + c, activation);
    }
}

static void scale_channels(
    const tk_image *layout, tk_activation activation, const void *from, const void *factors, int64_t step, void *to,
    tk_share share) {
    const range lines = part_of((int64_t)share.images * layout->height, share);
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / layout->height;
        const int64_t row = image * layout->image + line % layout->height * layout->row;
        for (int32_t c = 0; c < layout->pixel; c += LANES)
            scale_row(
                (const element *)from + row + c, (element *)to + row + c, layout->width, layout->pixel,
                load_values((const element *)factors + image * step + c), NULL, activation);
    }
}
