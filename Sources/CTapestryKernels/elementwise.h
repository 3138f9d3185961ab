// What happens to each value by itself, a row of an image at a time.
#pragma once

static void add(
    const tk_image *layout, tk_activation activation, const float *a, const float *b, float *y, tk_share share) {
    const range lines = part_of((int64_t)share.images * layout->height, share);
    const int64_t length = (int64_t)layout->width * layout->pixel;
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t row = line / layout->height * layout->image + line % layout->height * layout->row;
        for (int64_t i = row; i < row + length; i += LANES) {
            const vector sum = b ? load(a + i) + load(b + i) : load(a + i);
            store(y + i, activated(sum, activation));
        }
    }
}

static void scale(
    const tk_image *layout, tk_activation activation, const float *x, const float *scale, int64_t factors,
    const float *offset, float *y, tk_share share) {
    const range lines = part_of((int64_t)share.images * layout->height, share);
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / layout->height;
        const int64_t row = image * layout->image + line % layout->height * layout->row;
        for (int32_t c = 0; c < layout->pixel; c += LANES) {
            const vector factor = load(scale + image * factors + c);
            const vector term = offset ? load(offset + c) : (vector)0;
            for (int64_t j = 0; j < layout->width; ++j) {
                const int64_t place = row + j * layout->pixel + c;
                const vector product = offset ? multiply_add(load(x + place), factor, term) : load(x + place) * factor;
                store(y + place, activated(product, activation));
            }
        }
    }
}
