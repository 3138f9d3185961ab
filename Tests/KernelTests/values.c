#include "values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// Behind a value: two of the largest vectors.
#define ROOM 32

static int64_t rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

/// The same pixel of all images may lie together.
static int64_t size_of(const value *v) {
    const int64_t of_images = v->images * v->image.image, of_rows = v->image.height * v->image.row;
    return v->lead + (of_images > of_rows ? of_images : of_rows) + v->room;
}

/// The channels of a pixel that are no real ones.
static int64_t padding_of(const tk_image *image) {
    if (image->channel > 1) return 0;
    return (image->pixel < image->image ? image->pixel : image->image) - image->channels;
}

static value with_memory(value v) {
    v.first = (char *)guarded((size_t)(size_of(&v) * v.element_size)) + v.lead * v.element_size;
    return v;
}

static value with_pixel(stream *r, int32_t element_size, extents e, int32_t images, pads p, int32_t pixel) {
    const int64_t row = (int64_t)(e.width + p.columns) * pixel;
    const tk_image image = {
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = pixel, .channel = 1, .row = row,
        .image = (e.height + p.rows) * row + (one_in(r, 2) ? TK_CHANNEL_UNIT : 0)};
    return with_memory((value){image, images, element_size, p.rows * row + (int64_t)p.columns * pixel, ROOM, NULL});
}

value make_value(stream *r, int32_t element_size, extents e, int32_t images, pads p) {
    const int32_t more = one_in(r, 8) ? TK_CHANNEL_UNIT : 0;
    return with_pixel(r, element_size, e, images, p, (int32_t)rounded_up(e.channels, TK_CHANNEL_UNIT) + more);
}

value make_companion(stream *r, const value *v, extents e, int32_t images, pads p) {
    return with_pixel(r, v->element_size, e, images, p, v->image.pixel);
}

tk_image planes_of(extents e, pads p) {
    const int64_t row = e.width + p.columns;
    // A last vector may reach beyond the plane, and its taps beyond the pads.
    const int64_t channel = rounded_up((e.height + p.rows) * row + p.columns + 16, 16);
    return (tk_image){
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = 1, .channel = channel, .row = row,
        .image = e.channels * channel};
}

value make_planes(extents e, int32_t images, pads p) {
    const tk_image image = planes_of(e, p);
    return make_between(sizeof(float), &image, images, rounded_up(p.rows * image.row + p.columns, 16), ROOM);
}

value make_between(int32_t element_size, const tk_image *image, int32_t images, int64_t lead, int64_t room) {
    return with_memory((value){*image, images, element_size, lead, room, NULL});
}

value make_dense(int32_t element_size, extents e, int32_t images) {
    const tk_image image = {
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = e.channels, .channel = 1,
        .row = (int64_t)e.width * e.channels, .image = count_of(e)};
    // Memory consists of whole floats, and its end is guarded.
    return make_between(element_size, &image, images, images * count_of(e) % 2, 0);
}

value make_twin(const value *v) { return with_memory(*v); }

tk_image in_elements(tk_image image, int32_t times) {
    image.pixel *= times, image.row *= times, image.image *= times;
    return image;
}

int64_t offset_of(const value *v, int64_t index) {
    const tk_image *image = &v->image;
    const int64_t j = index % image->width, i = index / image->width % image->height;
    const int64_t plane = index / image->width / image->height;
    return plane / image->channels * image->image + plane % image->channels * image->channel + i * image->row
        + j * image->pixel;
}

void *place_of(const value *v, int64_t offset) { return (char *)v->first + offset * v->element_size; }

// A float's upper half is its bytes from the third on, for processors here are little-endian.
float number_at(const value *v, int64_t offset) {
    float x = 0;
    memcpy((char *)&x + sizeof x - (size_t)v->element_size, place_of(v, offset), (size_t)v->element_size);
    return x;
}

static void put(const value *v, int64_t offset, float x) {
    if (!is_same((float)rounded(v->element_size, (double)x), x)) fail("%.9g is no element", (double)x);
    memcpy(place_of(v, offset), (char *)&x + sizeof x - (size_t)v->element_size, (size_t)v->element_size);
}

static int64_t count_in(const value *v) {
    return (int64_t)v->images * v->image.channels * v->image.height * v->image.width;
}

/// Whether the element behind a pixel's last channel belongs to the last one's word.
static bool has_incomplete_word(const value *v) {
    return v->element_size < (int32_t)sizeof(float) && v->image.channels % 2 != 0 && padding_of(&v->image) > 0;
}

void fill(const value *v, const float *dense, surroundings around) {
    const tk_image *image = &v->image;
    const int64_t images = v->images * image->image;
    if (around == ZEROS) memset(place_of(v, -v->lead), 0, (size_t)((v->lead + images) * v->element_size));
    for (int64_t k = 0; k < images && image->channel == 1; ++k) {
        const int64_t in_image = k % image->image, in_row = in_image % image->row;
        if (in_image / image->row >= image->height || in_row >= (int64_t)image->width * image->pixel) continue;
        put(v, k, has_incomplete_word(v) && in_row % image->pixel == image->channels ? 100 : NAN);
    }
    for (int64_t k = 0; k < count_in(v); ++k) put(v, offset_of(v, k), dense[k]);
}

float *random_elements(stream *r, int32_t element_size, int64_t count) {
    float *numbers = guarded_floats(count);
    for (int64_t k = 0; k < count; ++k) numbers[k] = (float)rounded(element_size, (double)uniform(r));
    return numbers;
}

float *random_floats(stream *r, int64_t count) { return random_elements(r, sizeof(float), count); }

float *collect(const value *v) {
    float *dense = guarded_floats(count_in(v));
    for (int64_t k = 0; k < count_in(v); ++k) dense[k] = number_at(v, offset_of(v, k));
    return dense;
}

void expect_untouched_surroundings(const value *v) {
    const tk_image *image = &v->image;
    const int64_t padding = padding_of(image), size = size_of(v);
    bool *is_pixel = calloc((size_t)size, sizeof *is_pixel);
    if (!is_pixel) fail("there is no memory for the test");
    for (int64_t k = 0; k < count_in(v); ++k)
        memset(is_pixel + v->lead + offset_of(v, k), true, (size_t)(1 + padding));
    for (int64_t k = -v->lead; k < size - v->lead; ++k)
        if (!is_pixel[v->lead + k] && !is_untouched(place_of(v, k), v->element_size))
            fail("something was written at %lld of a value, which is no pixel", (long long)k);
    free(is_pixel);
    const int64_t area = (int64_t)image->height * image->width;
    for (int64_t k = 0; k < count_in(v) && has_incomplete_word(v); ++k)
        if (k / area % image->channels == image->channels - 1 && isnan(number_at(v, offset_of(v, k) + 1)))
            fail("what completes a word at %lld is no number", (long long)offset_of(v, k) + 1);
}

void expect_zeros_around(const value *v) {
    const int64_t end = v->images * v->image.image;
    for (int64_t k = -v->lead; k < end + v->room; ++k) {
        const int64_t in_plane = k % v->image.channel;
        const bool is_pixel =
            in_plane / v->image.row < v->image.height && in_plane % v->image.row < v->image.width;
        if (k < 0 || k >= end) {
            if (!is_untouched(place_of(v, k), v->element_size))
                fail("something was written at %lld, outside of the planes", (long long)k);
        } else if (!is_pixel && number_at(v, k) != 0) {
            fail("no zero at %lld, which is no pixel", (long long)k);
        }
    }
}

double rounded(int32_t element_size, double x) {
    if (element_size == sizeof(float) || x == 0 || !isfinite(x)) return x;
    int exponent;
    frexp(x, &exponent);
    return ldexp(rint(ldexp(x, 8 - exponent)), exponent - 8);
}

float word_of(int32_t elements, const float numbers[2]) {
    if (elements == 1) return numbers[0];
    uint32_t bits[2], word;
    memcpy(bits, numbers, sizeof bits);
    word = bits[0] >> 16 | (bits[1] & 0xffff0000);
    float result;
    memcpy(&result, &word, sizeof result);
    return result;
}

bound rounded_bound(int32_t element_size, bound b) {
    if (element_size == sizeof(float)) return b;
    // Rounding keeps order. What is smaller than a float's smallest power of two may become zero.
    const double least = rounded(element_size, b.value - b.tolerance);
    const double most = rounded(element_size, b.value + b.tolerance);
    return (bound){(least + most) / 2, (most - least) / 2 + 0x1p-126};
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
