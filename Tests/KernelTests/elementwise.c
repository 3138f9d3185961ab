// add and scale, and the activations by themselves.
#include <math.h>

#include "values.h"

/// An image's extents, and those of a vector at times.
static extents draw_extents(stream *r) {
    const bool is_vector = one_in(r, 4);
    return (extents){mostly_small(r, 70), is_vector ? 1 : mostly_small(r, 20), is_vector ? 1 : mostly_small(r, 20)};
}

static void check_add(
    const tk_kernels *k, stream *r, extents e, int32_t images, const float *a, const float *b,
    tk_activation activation) {
    const value y = make_value(r, k->element_size, e, images, (pads){between(r, 0, 2), between(r, 0, 2)});
    const value first = make_twin(&y), second = make_twin(&y);
    fill(&first, a, NOTHING);
    if (b) fill(&second, b, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p)
        k->add(&y.image, activation, first.first, b ? second.first : NULL, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    const int64_t count = images * count_of(e);
    bound *sums = guarded((size_t)count * sizeof *sums);
    for (int64_t i = 0; i < count; ++i) {
        const double sum = (double)a[i] + (b ? (double)b[i] : 0);
        const bound result = activated_bound((bound){sum, b ? ROUNDING * fabs(sum) : 0}, activation);
        sums[i] = rounded_bound(k->element_size, result);
    }
    expect_within("sum", collect(&y), sums, count);
}

void test_sum(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = draw_extents(r);
    float *a = random_elements(r, k->element_size, images * count_of(e));
    const float *b = random_elements(r, k->element_size, images * count_of(e));
    if (one_in(r, 4)) a[0] = NAN;
    check_add(k, r, e, images, a, one_in(r, 3) ? NULL : b, (tk_activation)between(r, TK_IDENTITY, TK_SWISH));
}

/// Over all numbers, the largest and the smallest included.
void test_activations(const tk_kernels *k, stream *r) {
    const extents e = {between(r, 1, 40), 1, 8};
    float *x = guarded_floats(count_of(e));
    for (int64_t i = 0; i < count_of(e); ++i) {
        const float scales[] = {1e-30f, 1e-3f, 1, 20, 100, 1e30f};
        const double number = one_in(r, 20) ? 0 : (double)(uniform(r) * scales[between(r, 0, 5)]);
        x[i] = (float)rounded(k->element_size, number);
    }
    for (tk_activation a = TK_IDENTITY; a <= TK_SWISH; ++a) check_add(k, r, e, 1, x, NULL, a);
}

void test_scale(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = draw_extents(r);
    const float *dense = random_elements(r, k->element_size, images * count_of(e));
    const value y = make_value(r, k->element_size, e, images, (pads){between(r, 0, 2), between(r, 0, 2)});
    const value x = make_twin(&y);
    fill(&x, dense, NOTHING);
    // One factor for each channel, for all images, with an offset; or a value of them.
    const bool is_by_image = one_in(r, 2);
    const extents of_vector = {e.channels, 1, 1};
    const value factors = make_companion(r, &y, of_vector, images, (pads){0, 0});
    const float *scale =
        is_by_image ? random_elements(r, k->element_size, images * e.channels) : random_floats(r, y.image.pixel);
    const float *offset = is_by_image ? NULL : random_floats(r, y.image.pixel);
    if (is_by_image) fill(&factors, scale, NOTHING);
    const tk_activation activation = (tk_activation)between(r, TK_IDENTITY, TK_SWISH);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) {
        if (is_by_image)
            k->scale_channels(&y.image, activation, x.first, factors.first, factors.image.image, y.first, shares[p]);
        else k->scale(&y.image, activation, x.first, scale, offset, y.first, shares[p]);
    }
    expect_untouched_surroundings(&y);
    const int64_t count = images * count_of(e);
    bound *products = guarded((size_t)count * sizeof *products);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t plane = i / e.width / e.height, channel = plane % e.channels;
        const double product = (double)dense[i] * (double)scale[is_by_image ? plane : channel];
        const double term = offset ? (double)offset[channel] : 0;
        const bound b = bound_of_sum(product + term, fabs(product) + fabs(term), 1);
        products[i] = rounded_bound(k->element_size, activated_bound(b, activation));
    }
    expect_within("product", collect(&y), products, count);
}
