// Windows over each channel: a vector is one pixel's neighbouring channels.
#pragma once

/// A window's rows and columns inside of the image. It is never empty.
typedef struct {
    int64_t from_row, to_row, from, to;
} window;

FORCE_INLINE window window_at(const tk_pooling *p, int64_t i, int64_t j) {
    const int64_t top = i * p->stride_height - p->top, left = j * p->stride_width - p->left;
    const int64_t bottom = top + p->kernel_height, right = left + p->kernel_width;
    return (window){
        top < 0 ? 0 : top, bottom < p->input.height ? bottom : p->input.height, left < 0 ? 0 : left,
        right < p->input.width ? right : p->input.width};
}

static void pool(const tk_pooling *p, const void *from_values, void *to_values, tk_share share) {
    const element *const x = from_values;
    element *const y = to_values;
    const range lines = part_of((int64_t)share.images * p->output.height, share);
    const vector area = all((float)p->kernel_height * p->kernel_width);
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / p->output.height, i = line % p->output.height;
        for (int64_t j = 0; j < p->output.width; ++j) {
            const window w = window_at(p, i, j);
            const element *source = x + image * p->input.image;
            element *target = y + image * p->output.image + i * p->output.row + j * p->output.pixel;
            for (int32_t c = 0; c < p->input.pixel; c += LANES) {
                const element *first = source + w.from_row * p->input.row + w.from * p->input.pixel + c;
                vector value = p->takes_mean ? (vector)0 : load_values(first);
                for (int64_t row = w.from_row; row < w.to_row; ++row)
                    for (int64_t column = w.from; column < w.to; ++column) {
                        const vector next = load_values(source + row * p->input.row + column * p->input.pixel + c);
                        value = p->takes_mean ? value + next : largest(value, next);
                    }
                store_values(target + c, p->takes_mean ? value / area : value);
            }
        }
    }
}

static void pool_globally(
    const tk_image *input, const tk_image *output, const void *from, void *to, tk_share share) {
    const element *const x = from;
    element *const y = to;
    const int64_t vectors = input->pixel / LANES;
    const range items = part_of(share.images * vectors, share);
    const vector area = all((float)input->height * input->width);
    for (int64_t item = items.from; item < items.to; ++item) {
        const int64_t image = item / vectors, channel = item % vectors * LANES;
        const element *source = x + image * input->image + channel;
        vector sum = 0;
        for (int32_t i = 0; i < input->height; ++i)
            for (int32_t j = 0; j < input->width; ++j) 
                sum += load_values(source + i * input->row + (int64_t)j * input->pixel);
        store_values(y + image * output->image + channel, sum / area);
    }
}
