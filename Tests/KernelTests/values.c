#include "values.h"

#include <stdlib.h>
#include <string.h>

/// Behind a value: two of the largest vectors.
#define ROOM 32

static int64_t rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

static value with_memory(tk_image image, int32_t images, int64_t lead) {
    value v = {.image = image, .images = images, .lead = lead, .size = lead + images * image.image + ROOM};
    v.memory = guarded_floats(v.size);
    v.first = v.memory + lead;
    return v;
}

static value with_pixel(stream *r, extents e, int32_t images, pads p, int32_t pixel) {
    const int64_t row = (int64_t)(e.width + p.columns) * pixel;
    const tk_image image = {
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = pixel, .channel = 1, .row = row,
        .image = (e.height + p.rows) * row + (one_in(r, 2) ? TK_CHANNEL_UNIT : 0)};
    return with_memory(image, images, p.rows * row + (int64_t)p.columns * pixel);
}

value make_value(stream *r, extents e, int32_t images, pads p) {
    const int32_t more = one_in(r, 8) ? TK_CHANNEL_UNIT : 0;
    return with_pixel(r, e, images, p, (int32_t)rounded_up(e.channels, TK_CHANNEL_UNIT) + more);
}

value make_companion(stream *r, const value *v, extents e, int32_t images, pads p) {
    return with_pixel(r, e, images, p, v->image.pixel);
}

value make_planes(extents e, int32_t images, pads p) {
    const int64_t row = e.width + p.columns;
    // A last vector may reach beyond the plane, and its taps beyond the pads.
    const int64_t channel = rounded_up((e.height + p.rows) * row + p.columns + 16, 16);
    const tk_image image = {
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = 1, .channel = channel, .row = row,
        .image = e.channels * channel};
    return with_memory(image, images, rounded_up(p.rows * row + p.columns, 16));
}

value make_twin(const value *v) { return with_memory(v->image, v->images, v->lead); }

int64_t offset_of(const value *v, int64_t index) {
    const tk_image *image = &v->image;
    const int64_t j = index % image->width, i = index / image->width % image->height;
    const int64_t plane = index / image->width / image->height;
    return plane / image->channels * image->image + plane % image->channels * image->channel + i * image->row
        + j * image->pixel;
}

static int64_t count_in(const value *v) {
    return (int64_t)v->images * v->image.channels * v->image.height * v->image.width;
}

void fill(const value *v, const float *dense, surroundings around) {
    const tk_image *image = &v->image;
    const float nothing = v->memory[v->size - 1];
    if (around == ZEROS) memset(v->memory, 0, (size_t)(v->size - ROOM) * sizeof(float));
    for (int64_t line = 0; image->channel == 1 && line < (int64_t)v->images * image->height; ++line) {
        float *row = v->first + line / image->height * image->image + line % image->height * image->row;
        for (int64_t k = 0; k < (int64_t)image->width * image->pixel; ++k) row[k] = nothing;
    }
    for (int64_t k = 0; k < count_in(v); ++k) v->first[offset_of(v, k)] = dense[k];
}

float *random_floats(stream *r, int64_t count) {
    float *numbers = guarded_floats(count);
    for (int64_t k = 0; k < count; ++k) numbers[k] = uniform(r);
    return numbers;
}

float *collect(const value *v) {
    float *dense = guarded_floats(count_in(v));
    for (int64_t k = 0; k < count_in(v); ++k) dense[k] = v->first[offset_of(v, k)];
    return dense;
}

void expect_untouched_surroundings(const value *v) {
    const tk_image *image = &v->image;
    const int64_t padding = image->channel == 1 ? image->pixel - image->channels : 0;
    bool *is_pixel = calloc((size_t)v->size, sizeof *is_pixel);
    if (!is_pixel) fail("there is no memory for the test");
    for (int64_t k = 0; k < count_in(v); ++k)
        memset(is_pixel + v->lead + offset_of(v, k), true, (size_t)(1 + padding));
    for (int64_t k = 0; k < v->size; ++k)
        if (!is_pixel[k] && !is_untouched(v->memory + k))
            fail("something was written at %lld of a value, which is no pixel", (long long)(k - v->lead));
    free(is_pixel);
}

void expect_within(const char *what, const float *actual, const bound *expected, int64_t count) {
    for (int64_t k = 0; k < count; ++k)
        if (!is_within(actual[k], expected[k]))
            fail("%s %lld is %.9g, expected %.9g within %.2g", what, (long long)k, (double)actual[k],
                expected[k].value, expected[k].tolerance);
}

void expect_same(const char *what, const float *actual, const float *expected, int64_t count) {
    for (int64_t k = 0; k < count; ++k)
        if (!is_same(actual[k], expected[k]))
            fail("%s %lld is %.9g, expected %.9g to the bit", what, (long long)k, (double)actual[k],
                (double)expected[k]);
}
