#include <string.h>

#include "include/CTapestryKernels.h"

/// The share's rows of all images: line / height is the image, line % height the row.
static int64_t first_line(const tk_image *layout, tk_share share, int32_t part) {
    return (int64_t)share.images * layout->height * part / share.parts;
}

#define FOR_EACH_LINE(layout, share) \
    for (int64_t line = first_line(layout, share, (share).part), end = first_line(layout, share, (share).part + 1); \
         line < end; ++line)

/// A few floats, mostly.
static void copy(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

static void clear(float *from, int64_t count) {
    if (count > 0) memset(from, 0, (size_t)count * sizeof(float));
}

void tk_import(const tk_image *layout, const float *images, bool channels_last, float *y, tk_share share) {
    const int64_t height = layout->height, width = layout->width, channels = layout->channels;
    const int64_t column_step = channels_last ? channels : 1, channel_step = channels_last ? 1 : height * width;
    FOR_EACH_LINE(layout, share) {
        const int64_t image = line / height, i = line % height;
        const float *source = images + image * channels * height * width + i * width * column_step;
        float *target = y + image * layout->image + i * layout->row;
        for (int64_t j = 0; j < width; ++j)
            for (int64_t c = 0; c < layout->pixel; ++c)
                target[j * layout->pixel + c] = c < channels ? source[j * column_step + c * channel_step] : 0;
    }
}

void tk_export(const tk_image *layout, const float *x, float *vectors, tk_share share) {
    const int64_t channels = layout->channels;
    FOR_EACH_LINE(layout, share)
        memcpy(vectors + line * channels, x + line * layout->image, (size_t)channels * sizeof(float));
}

void tk_move(
    const tk_image *input, const tk_image *output, const tk_source *sources, const float *x, float *y, tk_share share) {
    const int64_t height = output->height, width = output->width;
    FOR_EACH_LINE(output, share) {
        const int64_t image = line / height, i = line % height;
        for (int64_t j = 0; j < width; ++j) {
            float *target = y + image * output->image + i * output->row + j * output->pixel;
            const float *const end = target + output->channels;
            for (const tk_source *s = sources; target < end; target += s->count, ++s) {
                const int64_t row = i + s->row, column = j + s->column;
                if (s->channel >= 0 && row >= 0 && row < input->height && column >= 0 && column < input->width)
                    copy(target, x + image * input->image + row * input->row + column * input->pixel + s->channel,
                        s->count);
                else
                    clear(target, s->count);
            }
        }
    }
}

void tk_flatten(const tk_image *input, const tk_image *output, const float *x, float *y, tk_share share) {
    const int64_t height = input->height, width = input->width;
    FOR_EACH_LINE(input, share) {
        const int64_t image = line / height, i = line % height;
        const float *source = x + image * input->image + i * input->row;
        float *target = y + image * output->image + i * width;
        for (int64_t c = 0; c < input->channels; ++c)
            for (int64_t j = 0; j < width; ++j) target[c * height * width + j] = source[j * input->pixel + c];
    }
}

typedef float four __attribute__((ext_vector_type(4)));
typedef four four_anywhere __attribute__((aligned(4), may_alias));

/// Element j of row i to element i of row j, for 4 x 4.
static void transpose(const float *from, int64_t from_step, float *to, int64_t to_step) {
    four row[4];
    for (int i = 0; i < 4; ++i) row[i] = *(const four_anywhere *)(from + i * from_step);
    const four low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
    const four low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
    const four high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
    const four high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
    *(four_anywhere *)to = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *(four_anywhere *)(to + to_step) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *(four_anywhere *)(to + 2 * to_step) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *(four_anywhere *)(to + 3 * to_step) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

void tk_rearrange(const tk_image *input, const tk_image *output, const float *x, float *y, tk_share share) {
    const int64_t height = input->height, width = input->width, channels = input->channels;
    const bool is_from_planes = input->channel > 1;
    FOR_EACH_LINE(input, share) {
        const float *source = x + line / height * input->image + line % height * input->row;
        float *target = y + line / height * output->image + line % height * output->row;
        for (int64_t c = 0; c < channels; c += 4)
            for (int64_t j = 0; j < width; j += 4) {
                const float *from = source + c * input->channel + j * input->pixel;
                float *to = target + c * output->channel + j * output->pixel;
                if (c + 4 <= channels && j + 4 <= width) {
                    transpose(
                        from, is_from_planes ? input->channel : input->pixel, to,
                        is_from_planes ? output->pixel : output->channel);
                    continue;
                }
                for (int64_t k = 0; k < 4 && c + k < channels; ++k)
                    for (int64_t l = 0; l < 4 && j + l < width; ++l)
                        to[k * output->channel + l * output->pixel] = from[k * input->channel + l * input->pixel];
            }
    }
}

void tk_clear_plane(const tk_image *layout, float *plane, int64_t from, int64_t to) {
    const int64_t row = layout->row, width = layout->width, end = (layout->height - 1) * row + width;
    for (int64_t start = from / row * row; row > width && start + width < end && start < to; start += row) {
        const int64_t first = start + width > from ? start + width : from;
        const int64_t last = start + row < to ? start + row : to;
        for (int64_t i = first; i < last; ++i) plane[i] = 0;
    }
    if (to > end) clear(plane + (from > end ? from : end), to - (from > end ? from : end));
}

void tk_clear_pads(const tk_image *layout, int64_t lead, float *y, tk_share share) {
    if (share.part == 0) clear(y - lead, lead);
    if (layout->channel > 1) {
        const int64_t planes = (int64_t)share.images * layout->channels;
        for (int64_t p = planes * share.part / share.parts; p < planes * (share.part + 1) / share.parts; ++p)
            tk_clear_plane(
                layout, y + p / layout->channels * layout->image + p % layout->channels * layout->channel, 0,
                layout->channel);
        return;
    }
    const int64_t used = (int64_t)layout->width * layout->pixel;
    FOR_EACH_LINE(layout, share) {
        const int64_t image = line / layout->height, i = line % layout->height;
        float *row = y + image * layout->image + i * layout->row;
        const bool is_last = i == layout->height - 1;
        clear(row + used, (is_last ? layout->image - i * layout->row : layout->row) - used);
    }
}
