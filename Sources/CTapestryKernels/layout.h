// Copying values and laying them out otherwise.
#pragma once
#include <string.h>

/// The share's rows of all images: line / height is the image, line % height the row.
static int64_t first_line(const tk_image *layout, tk_share share, int32_t part) {
    return (int64_t)share.images * layout->height * part / share.parts;
}

#define FOR_EACH_LINE(layout, share) \
    for (int64_t line = first_line(layout, share, (share).part), end = first_line(layout, share, (share).part + 1); \
         line < end; ++line)

/// A few floats, mostly.
static void copy(element *to, const element *from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

static void clear(element *from, int64_t count) {
    if (count > 0) memset(from, 0, (size_t)count * sizeof(element));
}

static void import_images(
    const tk_image *layout, const float *images, bool channels_last, void *to, tk_share share) {
    element *const y = to;
    const int64_t height = layout->height, width = layout->width, channels = layout->channels;
    const int64_t column_step = channels_last ? channels : 1, channel_step = channels_last ? 1 : height * width;
    FOR_EACH_LINE(layout, share) {
        const int64_t image = line / height, i = line % height;
        const float *source = images + image * channels * height * width + i * width * column_step;
        element *target = y + image * layout->image + i * layout->row;
        for (int64_t j = 0; j < width; ++j, source += column_step, target += layout->pixel)
            for (int64_t c = 0; c < layout->pixel; ++c)
                target[c] = c < channels ? element_of(source[c * channel_step]) : 0;
    }
}

static void export_vectors(const tk_image *layout, bool are_floats, const void *from, float *vectors, tk_share share) {
    const element *const x = from;
    const int64_t channels = layout->channels;
    FOR_EACH_LINE(layout, share) {
        const element *source = x + line * layout->image;
        float *target = vectors + line * channels;
        if (are_floats) memcpy(target, source, (size_t)channels * sizeof(float));
        else for (int64_t c = 0; c < channels; ++c) target[c] = float_of(source[c]);
    }
}

/// A word may reach into the element behind the last channel.
static void complete_word(element *pixel, int64_t channels) {
    if (channels % WORD_ELEMENTS != 0) pixel[channels] = 0;
}

static void move(
    const tk_image *input, const tk_image *output, const tk_source *sources, const void *from, void *to,
    tk_share share) {
    const element *const x = from;
    element *const y = to;
    const int64_t height = output->height, width = output->width;
    FOR_EACH_LINE(output, share) {
        const int64_t image = line / height, i = line % height;
        for (int64_t j = 0; j < width; ++j) {
            element *target = y + image * output->image + i * output->row + j * output->pixel;
            const element *const end = target + output->channels;
            complete_word(target, output->channels);
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

static void flatten(const tk_image *input, const tk_image *output, const void *from, void *to, tk_share share) {
    const element *const x = from;
    element *const y = to;
    const int64_t height = input->height, width = input->width;
    FOR_EACH_LINE(input, share) {
        const int64_t image = line / height, i = line % height;
        const element *source = x + image * input->image + i * input->row;
        element *target = y + image * output->image;
        complete_word(target, output->channels);
        target += i * width;
        for (int64_t c = 0; c < input->channels; ++c)
            for (int64_t j = 0; j < width; ++j) target[c * height * width + j] = source[j * input->pixel + c];
    }
}

#if WORD_ELEMENTS == 1
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

static void rearrange(const tk_image *input, const tk_image *output, const void *from, void *to, tk_share share) {
    const float *const x = from;
    float *const y = to;
    const int64_t height = input->height, width = input->width, channels = input->channels;
    const bool is_from_planes = input->channel > 1;
    FOR_EACH_LINE(input, share) {
        const float *source = x + line / height * input->image + line % height * input->row;
        float *target = y + line / height * output->image + line % height * output->row;
        for (int64_t c = 0; c < channels; c += 4)
            for (int64_t j = 0; j < width; j += 4) {
                const float *corner = source + c * input->channel + j * input->pixel;
                float *place = target + c * output->channel + j * output->pixel;
                if (c + 4 <= channels && j + 4 <= width) {
                    transpose(
                        corner, is_from_planes ? input->channel : input->pixel, place,
                        is_from_planes ? output->pixel : output->channel);
                    continue;
                }
                for (int64_t k = 0; k < 4 && c + k < channels; ++k)
                    for (int64_t l = 0; l < 4 && j + l < width; ++l)
                        place[k * output->channel + l * output->pixel] = corner[k * input->channel + l * input->pixel];
            }
    }
}

#endif

/// Makes zeros of all that is no pixel between two places of a plane, from its first pixel. The plane ends where the
/// next one begins.
static void clear_plane(const tk_image *layout, element *plane, int64_t from, int64_t to) {
    const int64_t row = layout->row, width = layout->width, end = (layout->height - 1) * row + width;
    for (int64_t start = from / row * row; row > width && start + width < end && start < to; start += row) {
        const int64_t first = start + width > from ? start + width : from;
        const int64_t last = start + row < to ? start + row : to;
        for (int64_t i = first; i < last; ++i) plane[i] = 0;
    }
    if (to > end) clear(plane + (from > end ? from : end), to - (from > end ? from : end));
}

static void clear_pads(const tk_image *layout, int64_t lead, void *to, tk_share share) {
    element *const y = to;
    if (share.part == 0) clear(y - lead, lead);
    if (layout->channel > 1) {
        const int64_t planes = (int64_t)share.images * layout->channels;
        for (int64_t p = planes * share.part / share.parts; p < planes * (share.part + 1) / share.parts; ++p)
            clear_plane(
                layout, y + p / layout->channels * layout->image + p % layout->channels * layout->channel, 0,
                layout->channel);
        return;
    }
    const int64_t used = (int64_t)layout->width * layout->pixel;
    FOR_EACH_LINE(layout, share) {
        const int64_t image = line / layout->height, i = line % layout->height;
        element *row = y + image * layout->image + i * layout->row;
        const bool is_last = i == layout->height - 1;
        clear(row + used, (is_last ? layout->image - i * layout->row : layout->row) - used);
    }
}
