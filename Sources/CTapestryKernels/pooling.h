// Windows over each channel: a vector is one pixel's neighbouring channels.
#pragma once

static void pool(const tk_pooling *p, const void *from_values, void *to_values, tk_share share) {
    const element *const x = from_values;
    element *const y = to_values;
    const range lines = part_of((int64_t)share.images * p->output.height, share);
    const vector area = all((float)p->kernel_height * p->kernel_width);
    for (int64_t line = lines.from; line < lines.to; ++line) {
        const int64_t image = line / p->output.height, i = line % p->output.height;
        // A window's part inside the image. It is never empty.
        const int64_t top = i * p->stride_height - p->top;
        const int64_t from_row = top < 0 ? 0 : top;
        const int64_t to_row = top + p->kernel_height < p->input.height ? top + p->kernel_height : p->input.height;
        for (int64_t j = 0; j < p->output.width; ++j) {
            const int64_t left = j * p->stride_width - p->left;
            const int64_t from = left < 0 ? 0 : left;
            const int64_t to = left + p->kernel_width < p->input.width ? left + p->kernel_width : p->input.width;
            const element *window = x + image * p->input.image;
            element *target = y + image * p->output.image + i * p->output.row + j * p->output.pixel;
            for (int32_t c = 0; c < p->input.pixel; c += LANES) {
                const element *first = window + from_row * p->input.row + from * p->input.pixel + c;
                vector value = p->takes_mean ? (vector)0 : load_values(first);
                for (int64_t row = from_row; row < to_row; ++row)
                    for (int64_t column = from; column < to; ++column) {
                        const vector next = load_values(window + row * p->input.row + column * p->input.pixel + c);
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
