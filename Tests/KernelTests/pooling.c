// pool and pool_globally, and in training pools of values as they are read. Nothing around the image may be read.
#include <math.h>

#include "values.h"

/// Windows that each have a part inside of the image.
static tk_pooling draw_windows(stream *r, extents in) {
    tk_pooling p = {
        .kernel_height = between(r, 1, 5), .kernel_width = between(r, 1, 5), .stride_height = between(r, 1, 3),
        .stride_width = between(r, 1, 3), .takes_mean = one_in(r, 2)};
    p.top = between(r, 0, p.kernel_height - 1), p.left = between(r, 0, p.kernel_width - 1);
    // The last window begins in the image, at the latest at its last pixel.
    p.output.height = between(r, 1, (in.height - 1 + p.top) / p.stride_height + 1);
    p.output.width = between(r, 1, (in.width - 1 + p.left) / p.stride_width + 1);
    return p;
}

static bound *reference(const tk_pooling *p, const float *x, extents in, int32_t images, int32_t element_size) {
    const int32_t height = p->output.height, width = p->output.width;
    const int64_t planes = (int64_t)images * in.channels;
    bound *results = guarded((size_t)(planes * height * width) * sizeof *results), *result = results;
    for (int64_t plane = 0; plane < planes; ++plane, x += in.height * in.width)
        for (int32_t i = 0; i < height; ++i)
            for (int32_t j = 0; j < width; ++j) {
                double sum = 0, magnitude = 0, largest = -INFINITY;
                for (int32_t k = 0; k < p->kernel_height * p->kernel_width; ++k) {
                    const int32_t row = i * p->stride_height - p->top + k / p->kernel_width;
                    const int32_t column = j * p->stride_width - p->left + k % p->kernel_width;
                    if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
                    const double next = (double)x[row * in.width + column];
                    sum += next;
                    magnitude += fabs(next);
                    // What is not a number stays.
                    if (!(next <= largest)) largest = isnan(largest) ? largest : next;
                }
                const int32_t area = p->kernel_height * p->kernel_width;
                const bound b = p->takes_mean ? bound_of_sum(sum / area, magnitude / area, area) : (bound){largest, 0};
                *result++ = rounded_bound(element_size, b);
            }
    return results;
}

void test_pooling(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents in = {mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 20)};
    tk_pooling p = draw_windows(r, in);
    const extents out = {in.channels, p.output.height, p.output.width};
    const value x = make_value(r, k->element_size, in, images, (pads){between(r, 0, 1), between(r, 0, 1)});
    const value y = make_companion(r, &x, out, images, (pads){between(r, 0, 1), between(r, 0, 1)});
    p.input = x.image, p.output = y.image;
    float *dense = random_elements(r, k->element_size, images * count_of(in));
    if (one_in(r, 4)) dense[between(r, 0, (int32_t)count_of(in) - 1)] = NAN;
    fill(&x, dense, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t i = 0; i < parts; ++i) k->pool(&p, x.first, y.first, shares[i]);
    expect_untouched_surroundings(&y);
    expect_within("result", collect(&y), reference(&p, dense, in, images, k->element_size), images * count_of(out));
}

void test_global_pooling(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 6);
    const extents in = {mostly_small(r, 100), mostly_small(r, 12), mostly_small(r, 12)}, out = {in.channels, 1, 1};
    const value x = make_value(r, k->element_size, in, images, (pads){between(r, 0, 1), between(r, 0, 1)});
    const value y = make_companion(r, &x, out, images, (pads){0, 0});
    const float *dense = random_elements(r, k->element_size, images * count_of(in));
    fill(&x, dense, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->pool_globally(&x.image, &y.image, x.first, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    const int32_t area = in.height * in.width;
    bound *means = guarded((size_t)(images * in.channels) * sizeof *means);
    for (int64_t plane = 0; plane < images * in.channels; ++plane) {
        double sum = 0, magnitude = 0;
        for (int32_t i = 0; i < area; ++i) {
            sum += (double)dense[plane * area + i];
            magnitude += fabs((double)dense[plane * area + i]);
        }
        means[plane] = rounded_bound(k->element_size, bound_of_sum(sum / area, magnitude / area, area));
    }
    expect_within("mean", collect(&y), means, images * in.channels);
}

/// A pool of dense values in training. What is read of them is computed without rounding, or with the same on every
/// processor, so that the largest is the largest.
typedef struct {
    tk_pooling p;
    extents in, out;
    int32_t images, element_size;
    tk_reading reading;
    float *numbers;
    value x, y;
} training_case;

static training_case draw_training(const tk_kernels *k, stream *r) {
    training_case t = {.images = between(r, 1, 4), .element_size = k->element_size};
    t.in = (extents){mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 20)};
    t.p = draw_windows(r, t.in);
    t.p.takes_mean = one_in(r, 2);
    t.out = (extents){t.in.channels, t.p.output.height, t.p.output.width};
    t.x = make_dense(k->element_size, t.in, t.images), t.y = make_dense(k->element_size, t.out, t.images);
    t.p.input = t.x.image, t.p.output = t.y.image;
    t.numbers = random_elements(r, k->element_size, t.images * count_of(t.in));
    // Equals, too.
    if (one_in(r, 2))
        for (int64_t i = 0; i < t.images * count_of(t.in); ++i) t.numbers[i] = (float)between(r, -2, 2);
    fill(&t.x, t.numbers, NOTHING);
    if (one_in(r, 2)) {
        float *factors = guarded_floats(t.in.channels), *offsets = guarded_floats(t.in.channels);
        for (int32_t c = 0; c < t.in.channels; ++c) {
            factors[c] = (one_in(r, 2) ? -1.0f : 1.0f) * (one_in(r, 2) ? 0.5f : 2.0f);
            offsets[c] = (float)between(r, -8, 8) / 8;
        }
        t.reading.factors = factors, t.reading.offsets = offsets;
    }
    t.reading.rectifies = one_in(r, 2);
    return t;
}

static float read_number(const training_case *t, int64_t index) {
    const int64_t channel = index / (t->in.height * t->in.width) % t->in.channels;
    float x = t->numbers[index];
    if (t->reading.factors) x = x * t->reading.factors[channel] + t->reading.offsets[channel];
    return t->reading.rectifies && x < 0 ? 0 : x;
}

/// Where number k of a window is; -1 outside of the image.
static int64_t index_in_window(const training_case *t, int64_t window, int32_t k) {
    const int64_t area = t->out.height * t->out.width, plane = window / area;
    const int32_t i = (int32_t)(window % area) / t->out.width, j = (int32_t)(window % area) % t->out.width;
    const int32_t row = i * t->p.stride_height - t->p.top + k / t->p.kernel_width;
    const int32_t column = j * t->p.stride_width - t->p.left + k % t->p.kernel_width;
    if (row < 0 || row >= t->in.height || column < 0 || column >= t->in.width) return -1;
    return (plane * t->in.height + row) * t->in.width + column;
}

/// Where the first of the largest numbers of a window is.
static int64_t largest_of_window(const training_case *t, int64_t window) {
    int64_t largest = -1;
    for (int32_t k = 0; k < t->p.kernel_height * t->p.kernel_width; ++k) {
        const int64_t index = index_in_window(t, window, k);
        if (index >= 0 && (largest < 0 || read_number(t, index) > read_number(t, largest))) largest = index;
    }
    return largest;
}

void test_pool_readings(const tk_kernels *k, stream *r) {
    const training_case t = draw_training(k, r);
    k->pool_readings(&t.p, t.reading, t.x.first, t.y.first, t.images);
    expect_untouched_surroundings(&t.y);
    const int64_t count = t.images * count_of(t.in);
    float *numbers = guarded_floats(count);
    for (int64_t i = 0; i < count; ++i) numbers[i] = read_number(&t, i);
    const bound *expected = reference(&t.p, numbers, t.in, t.images, t.element_size);
    expect_within("result", collect(&t.y), expected, t.images * count_of(t.out));
}

void test_spread_pool_gradient(const tk_kernels *k, stream *r) {
    const training_case t = draw_training(k, r);
    const int64_t count = t.images * count_of(t.in), windows = t.images * count_of(t.out);
    const int32_t area = t.p.kernel_height * t.p.kernel_width;
    const float *upstream = random_elements(r, k->element_size, windows);
    fill(&t.y, upstream, NOTHING);
    const value g = make_twin(&t.x);
    k->spread_pool_gradient(&t.p, t.reading, t.x.first, t.y.first, g.first, t.images);
    expect_untouched_surroundings(&g);
    float *expected = guarded_floats(count);
    for (int64_t i = 0; i < count; ++i) expected[i] = 0;
    for (int64_t i = 0; i < windows; ++i)
        for (int32_t n = 0; n < area; ++n) {
            const int64_t index = index_in_window(&t, i, n);
            if (index < 0 || (!t.p.takes_mean && index != largest_of_window(&t, i))) continue;
            const float sum = expected[index] + (t.p.takes_mean ? upstream[i] / (float)area : upstream[i]);
            expected[index] = (float)rounded(t.element_size, (double)sum);
        }
    expect_same("gradient", collect(&g), expected, count);
}
