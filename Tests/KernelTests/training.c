// What training needs beside convolutions: values as they are read, their moments, and gradients of both.
#include <math.h>
#include <string.h>

#include "values.h"

/// So many pixels of so many channels.
static extents draw_pixels(stream *r) { return (extents){mostly_small(r, 70), 1, mostly_small(r, 200)}; }

/// Numbers for a value, of which some are zero, where a rectifier's gradient jumps.
static float *draw_numbers(stream *r, int32_t element_size, int64_t count) {
    float *numbers = random_elements(r, element_size, count);
    if (one_in(r, 2))
        for (int64_t i = 0; i < count; ++i) numbers[i] = one_in(r, 4) ? 0 : numbers[i];
    return numbers;
}

static value make_filled(int32_t element_size, extents e, int32_t images, const float *numbers) {
    const value v = make_dense(element_size, e, images);
    fill(&v, numbers, NOTHING);
    return v;
}

static tk_reading draw_reading(stream *r, int32_t channels) {
    const bool scales = one_in(r, 2);
    return (tk_reading){
        .factors = scales ? random_floats(r, channels) : NULL, .offsets = scales ? random_floats(r, channels) : NULL,
        .rectifies = one_in(r, 2)};
}

/// What a channel's number is read as, but for the rectifier.
static bound scaled_bound(const tk_reading *reading, int64_t channel, float x) {
    if (!reading->factors) return (bound){(double)x, 0};
    const double product = (double)x * (double)reading->factors[channel], offset = (double)reading->offsets[channel];
    return bound_of_sum(product + offset, fabs(product) + fabs(offset), 1);
}

static bound read_bound(const tk_reading *reading, int64_t channel, float x) {
    return activated_bound(scaled_bound(reading, channel, x), reading->rectifies ? TK_RELU : TK_IDENTITY);
}

/// Where images are read to: with padding, with no more of it than completes words, or the same pixel of all together.
static value draw_target(stream *r, int32_t element_size, extents e, int32_t images) {
    const pads p = {between(r, 0, 2), between(r, 0, 2)};
    const int32_t elements = (int32_t)sizeof(float) / element_size;
    const int32_t pixel = (e.channels + elements - 1) / elements * elements;
    tk_image image = {
        .height = e.height, .width = e.width, .channels = e.channels, .pixel = pixel, .channel = 1,
        .row = (int64_t)(e.width + p.columns) * pixel};
    switch (between(r, 0, 2)) {
    case 0: return make_value(r, element_size, e, images, p);
    case 1:
        image.image = (e.height + p.rows) * image.row;
        return make_between(element_size, &image, images, p.rows * image.row, 0);
    default:
        image.image = pixel;
        image.pixel *= images + between(r, 0, 2);
        image.row = (int64_t)e.width * image.pixel;
        return make_between(element_size, &image, images, 0, 0);
    }
}

void test_read_images(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = {mostly_small(r, 70), mostly_small(r, 12), mostly_small(r, 12)};
    const int64_t count = images * count_of(e), area = e.height * e.width;
    float *numbers = draw_numbers(r, k->element_size, count);
    if (one_in(r, 4)) numbers[0] = NAN;
    const value x = make_filled(k->element_size, e, images, numbers);
    const value y = draw_target(r, k->element_size, e, images);
    const tk_reading reading = draw_reading(r, e.channels);
    k->read_images(&y.image, reading, x.first, y.first, images);
    expect_untouched_surroundings(&y);
    bound *expected = guarded((size_t)count * sizeof *expected);
    for (int64_t i = 0; i < count; ++i)
        expected[i] = rounded_bound(k->element_size, read_bound(&reading, i / area % e.channels, numbers[i]));
    expect_within("number", collect(&y), expected, count);
}

void test_add_readings(const tk_kernels *k, stream *r) {
    const extents e = draw_pixels(r);
    const int64_t count = count_of(e);
    const float *a = draw_numbers(r, k->element_size, count), *b = draw_numbers(r, k->element_size, count);
    const value first = make_filled(k->element_size, e, 1, a), second = make_filled(k->element_size, e, 1, b);
    const value y = make_dense(k->element_size, e, 1);
    const tk_reading reading_a = draw_reading(r, e.channels), reading_b = draw_reading(r, e.channels);
    const bool has_second = !one_in(r, 3);
    k->add_readings(
        e.width, e.channels, reading_a, first.first, reading_b, has_second ? second.first : NULL, y.first);
    expect_untouched_surroundings(&y);
    bound *expected = guarded((size_t)count * sizeof *expected);
    for (int64_t i = 0; i < count; ++i) {
        bound sum = read_bound(&reading_a, i / e.width, a[i]);
        if (has_second) {
            const bound other = read_bound(&reading_b, i / e.width, b[i]);
            sum.value += other.value;
            sum.tolerance = 1.001 * (sum.tolerance + other.tolerance + ROUNDING * fabs(sum.value));
        }
        expected[i] = rounded_bound(k->element_size, sum);
    }
    expect_within("sum", collect(&y), expected, count);
}

/// Of the numbers of a channel. Sums are those of what differs from some float among the numbers, which costs the most
/// where it is the least or the greatest.
static void find_moment_bounds(const float *numbers, int32_t count, bound *mean, bound *squares) {
    double sum = 0, square = 0, most = 0, ends[2] = {INFINITY, -INFINITY};
    for (int32_t i = 0; i < count; ++i) {
        const double x = (double)numbers[i];
        sum += x;
        most = fmax(most, fabs(x)), ends[0] = fmin(ends[0], x), ends[1] = fmax(ends[1], x);
    }
    double first = 0, second = 0;
    for (int32_t end = 0; end < 2; ++end) {
        // The mean of some numbers may be rounded out of the range.
        const double pivot = ends[end] + (end == 0 ? -9 : 9) * ROUNDING * most;
        double differences = 0, of_squares = 0;
        for (int32_t i = 0; i < count; ++i) {
            const double difference = (double)numbers[i] - pivot;
            differences += fabs(difference);
            of_squares += difference * difference;
        }
        first = fmax(first, differences), second = fmax(second, of_squares);
    }
    for (int32_t i = 0; i < count; ++i) {
        const double difference = (double)numbers[i] - sum / count;
        square += difference * difference;
    }
    *mean = bound_of_sum(sum / count, first / count, count);
    mean->tolerance += 1.001 * ROUNDING * fabs(mean->value);
    // The sum of squares, and twice the sum's error in what is taken away, which is no larger.
    *squares = bound_of_sum(square, second, 3 * (int64_t)count + 7);
}

void test_find_moments(const tk_kernels *k, stream *r) {
    const extents e = draw_pixels(r);
    const int64_t count = count_of(e);
    float *numbers = guarded_floats(count);
    // Also of numbers that differ little.
    const float shift = one_in(r, 2) ? 0 : one_in(r, 2) ? 3 : -1000;
    for (int64_t i = 0; i < count; ++i)
        numbers[i] = (float)rounded(k->element_size, (double)(shift + uniform(r)));
    if (one_in(r, 8)) numbers[between(r, 0, (int32_t)count - 1)] = NAN;
    const value x = make_filled(k->element_size, e, 1, numbers);
    float *means = guarded_floats(e.channels), *squares = guarded_floats(e.channels);
    k->find_moments(e.width, e.channels, x.first, means, squares);
    for (int32_t c = 0; c < e.channels; ++c) {
        bound mean, of_squares;
        find_moment_bounds(numbers + (int64_t)c * e.width, e.width, &mean, &of_squares);
        expect_within("mean", means + c, &mean, 1);
        expect_within("sum of squares", squares + c, &of_squares, 1);
    }
}

/// The upstream gradient where what is read is positive. Where rounding decides that, either is right.
static bound gradient_bound(const tk_reading *reading, int64_t channel, float x, float upstream) {
    const bound read = scaled_bound(reading, channel, x);
    const double gradient = (double)upstream;
    if (!reading->rectifies || read.value > read.tolerance) return (bound){gradient, 0};
    if (read.value < -read.tolerance || read.tolerance == 0) return (bound){0, 0};
    return (bound){gradient / 2, fabs(gradient) / 2};
}

/// Fails unless these are the sums of a channel's gradients, and of their products with what differs from the mean.
static void expect_sums(const bound *gradients, const float *x, float mean, int32_t count, float sum, float product) {
    bound sums[2] = {{0, 0}, {0, 0}};
    double magnitudes[2] = {0, 0};
    for (int32_t i = 0; i < count; ++i) {
        const double difference = (double)x[i] - (double)mean;
        const double most = fabs(gradients[i].value) + gradients[i].tolerance;
        sums[0].value += gradients[i].value, sums[1].value += gradients[i].value * difference;
        sums[0].tolerance += gradients[i].tolerance, sums[1].tolerance += gradients[i].tolerance * fabs(difference);
        magnitudes[0] += most, magnitudes[1] += most * fabs(difference);
    }
    for (int32_t i = 0; i < 2; ++i) sums[i].tolerance += bound_of_sum(0, magnitudes[i], count).tolerance;
    expect_within("sum of gradients", &sum, &sums[0], 1);
    expect_within("sum of products", &product, &sums[1], 1);
}

void test_take_gradient(const tk_kernels *k, stream *r) {
    const extents e = draw_pixels(r);
    const int64_t count = count_of(e);
    const float *numbers = draw_numbers(r, k->element_size, count);
    const float *gradients = random_elements(r, k->element_size, count);
    const value x = make_filled(k->element_size, e, 1, numbers);
    const value upstream = make_filled(k->element_size, e, 1, gradients);
    const value other = make_dense(k->element_size, e, 1), g = one_in(r, 2) ? upstream : other;
    const tk_reading reading = draw_reading(r, e.channels);
    const bool has_sums = one_in(r, 2), has_gradient = !has_sums || !one_in(r, 3);
    const float *means = has_sums ? random_floats(r, e.channels) : NULL;
    float *sums = guarded_floats(e.channels), *products = guarded_floats(e.channels);
    k->take_gradient(
        e.width, e.channels, reading, x.first, means, upstream.first, has_gradient ? g.first : NULL,
        has_sums ? sums : NULL, has_sums ? products : NULL);
    if (has_gradient) expect_untouched_surroundings(&g);
    if (!has_gradient || g.first != upstream.first)
        expect_same("upstream gradient", collect(&upstream), gradients, count);
    bound *expected = guarded((size_t)count * sizeof *expected);
    for (int64_t i = 0; i < count; ++i)
        expected[i] = gradient_bound(&reading, i / e.width, numbers[i], gradients[i]);
    if (has_gradient) expect_within("gradient", collect(&g), expected, count);
    for (int32_t c = 0; c < e.channels && has_sums; ++c) {
        const int64_t first = (int64_t)c * e.width;
        expect_sums(expected + first, numbers + first, means[c], e.width, sums[c], products[c]);
    }
}

void test_normalize_gradient(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = {mostly_small(r, 70), mostly_small(r, 12), mostly_small(r, one_in(r, 4) ? 200 : 12)};
    const int64_t count = images * count_of(e), area = e.height * e.width;
    const float *numbers = random_elements(r, k->element_size, count);
    const float *gradients = random_elements(r, k->element_size, count);
    const float *a = random_floats(r, e.channels), *b = random_floats(r, e.channels), *c = random_floats(r, e.channels);
    const value x = make_filled(k->element_size, e, images, numbers);
    const value upstream = make_filled(k->element_size, e, images, gradients);
    const value other = draw_target(r, k->element_size, e, images), g = one_in(r, 3) ? upstream : other;
    k->normalize_gradient(&g.image, a, b, c, x.first, upstream.first, g.first, images);
    expect_untouched_surroundings(&g);
    bound *expected = guarded((size_t)count * sizeof *expected);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t channel = i / area % e.channels;
        const double of_gradient = (double)a[channel] * (double)gradients[i];
        const double of_number = (double)b[channel] * (double)numbers[i], term = (double)c[channel];
        const double magnitude = fabs(of_gradient) + fabs(of_number) + fabs(term);
        expected[i] = rounded_bound(k->element_size, bound_of_sum(of_gradient + of_number + term, magnitude, 2));
    }
    expect_within("gradient", collect(&g), expected, count);
}

void test_pair_positions(const tk_kernels *k, stream *r) {
    if (!k->pair_positions != (k->element_size == sizeof(float))) fail("words are not what elements are");
    if (!k->pair_positions) return;
    const int32_t positions = mostly_small(r, 60), step = between(r, 1, 3), distance = between(r, 1, 4);
    const int32_t pixel = mostly_small(r, 70), last = (positions - 1) / step * step;
    const extents e = {pixel, 1, last + distance + 1};
    const value dense = make_dense(k->element_size, e, 1);
    // Up to a vector is read and written beyond.
    const value x = make_between(k->element_size, &dense.image, 1, dense.lead, k->lanes);
    const float *numbers = random_elements(r, k->element_size, count_of(e));
    fill(&x, numbers, NOTHING);
    const int64_t count = (int64_t)(last + 1) * pixel;
    float *words = guarded_floats(count + k->lanes);
    k->pair_positions(positions, step, pixel, distance, x.first, words);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t p = i / pixel, place = i % pixel * e.width + p;
        const float word = word_of(2, (float[2]){numbers[place], numbers[place + distance]});
        if (p % step == 0 && memcmp(words + i, &word, sizeof word) != 0)
            fail("channel %lld of position %lld is not paired", (long long)(i % pixel), (long long)p);
    }
}
