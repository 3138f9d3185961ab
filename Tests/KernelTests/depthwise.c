// convolve_depthwise and add_depthwise_gradient: each channel by itself.
#include <math.h>
#include <string.h>

#include "values.h"

typedef struct {
    tk_depthwise d;
    const tk_tap *taps;
    const float *x;
    int32_t images, element_size;
} depthwise_case;

static bound *reference(const depthwise_case *t) {
    const tk_depthwise *d = &t->d;
    const int32_t height = d->input.height, width = d->input.width, channels = d->input.channels;
    const int64_t count = (int64_t)t->images * channels * d->output.height * d->output.width;
    bound *results = guarded((size_t)count * sizeof *results), *result = results;
    for (int32_t plane = 0; plane < t->images * channels; ++plane)
        for (int32_t i = 0; i < d->output.height; ++i)
            for (int32_t j = 0; j < d->output.width; ++j) {
                const int32_t c = plane % channels;
                double sum = (double)d->bias[c], magnitude = fabs(sum);
                for (int32_t k = 0; k < d->tap_count; ++k) {
                    const int32_t row = i * d->stride_height + t->taps[k].row;
                    const int32_t column = j * d->stride_width + t->taps[k].column;
                    if (row < 0 || row >= height || column < 0 || column >= width) continue;
                    const double product = (double)d->weights[k * d->input.pixel + c]
                        * (double)t->x[((int64_t)plane * height + row) * width + column];
                    sum += product;
                    magnitude += fabs(product);
                }
                const bound b = bound_of_sum(sum, magnitude, d->tap_count);
                *result++ = rounded_bound(t->element_size, activated_bound(b, d->activation));
            }
    return results;
}

/// Taps at any places near their position, the layer's rows from the top to the bottom.
static tk_tap *draw_taps(stream *r, int32_t count) {
    tk_tap *taps = guarded((size_t)count * sizeof *taps);
    const int32_t top = between(r, -4, 1), left = between(r, -4, 1);
    for (int32_t k = 0; k < count; ++k)
        taps[k] = (tk_tap){.row = top + between(r, 0, 5), .column = left + between(r, 0, 5), .words = 1};
    return taps;
}

/// The zeros that taps reach around an image, from windows that begin at most so many rows and columns inside.
static pads reach_of_taps(const tk_tap *taps, int32_t count, extents in, int32_t rows, int32_t columns) {
    pads p = {0, 0};
    for (int32_t k = 0; k < count; ++k) {
        const int32_t above = -taps[k].row, below = rows + taps[k].row - (in.height - 1);
        const int32_t before = -taps[k].column, behind = columns + taps[k].column - (in.width - 1);
        if (above > p.rows) p.rows = above;
        if (below > p.rows) p.rows = below;
        if (before > p.columns) p.columns = before;
        if (behind > p.columns) p.columns = behind;
    }
    return p;
}

static int32_t *offsets_of(const tk_tap *taps, int32_t count, const tk_image *image) {
    int32_t *offsets = guarded((size_t)count * sizeof *offsets);
    for (int32_t k = 0; k < count; ++k)
        offsets[k] = (int32_t)(taps[k].row * image->row + taps[k].column * image->pixel);
    return offsets;
}

void test_depthwise(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents in = {mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 40)};
    const int32_t row_step = between(r, 1, 3), column_step = between(r, 1, 3);
    // Windows may begin, or lie, outside of the image.
    const extents out = {
        in.channels, (in.height - 1) / row_step + between(r, 1, 2), (in.width - 1) / column_step + between(r, 1, 2)};
    const int32_t taps = between(r, 0, 12);
    const tk_tap *drawn = draw_taps(r, taps);
    const value x = make_value(
        r, k->element_size, in, images,
        reach_of_taps(drawn, taps, in, (out.height - 1) * row_step, (out.width - 1) * column_step));
    const value y = make_companion(r, &x, out, images, (pads){between(r, 0, 1), between(r, 0, 1)});
    depthwise_case t = {
        .taps = drawn, .x = random_elements(r, k->element_size, images * count_of(in)), .images = images,
        .element_size = k->element_size};
    fill(&x, t.x, ZEROS);
    t.d = (tk_depthwise){
        .input = x.image, .output = y.image, .stride_height = row_step, .stride_width = column_step,
        .activation = (tk_activation)between(r, TK_IDENTITY, TK_SWISH), .tap_count = taps,
        .offsets = offsets_of(drawn, taps, &x.image),
        .weights = random_floats(r, (int64_t)taps * x.image.pixel), .bias = random_floats(r, x.image.pixel)};
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->convolve_depthwise(&t.d, x.first, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    const float *results = collect(&y);
    expect_within("result", results, reference(&t), images * count_of(out));
    // An image alone, with other neighbours in its vectors of positions.
    const int32_t image = between(r, 0, images - 1);
    k->convolve_depthwise(&t.d, place_of(&x, image * x.image.image), y.first, (tk_share){1, 0, 1});
    expect_same("result of one image alone", collect(&y), results + image * count_of(out), count_of(out));
}

void test_add_depthwise_gradient(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4), row_step = between(r, 1, 3), column_step = between(r, 1, 3);
    const extents in = {mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 40)};
    const extents out = {
        in.channels, (in.height - 1) / row_step + between(r, 1, 2), (in.width - 1) / column_step + between(r, 1, 2)};
    const int32_t taps = between(r, 0, 26);
    const tk_tap *drawn = draw_taps(r, taps);
    const value x = make_value(
        r, k->element_size, in, images,
        reach_of_taps(drawn, taps, in, (out.height - 1) * row_step, (out.width - 1) * column_step));
    const value dy = make_companion(r, &x, out, images, (pads){between(r, 0, 1), between(r, 0, 1)});
    const float *numbers = random_elements(r, k->element_size, images * count_of(in));
    const float *upstream = random_elements(r, k->element_size, images * count_of(out));
    fill(&x, numbers, ZEROS);
    fill(&dy, upstream, NOTHING);
    const tk_depthwise d = {
        .input = x.image, .output = dy.image, .stride_height = row_step, .stride_width = column_step,
        .tap_count = taps, .offsets = offsets_of(drawn, taps, &x.image)};
    const int64_t pixel = x.image.pixel;
    float *gradient = random_floats(r, taps * pixel), *before = guarded_floats(taps * pixel);
    memcpy(before, gradient, (size_t)(taps * pixel) * sizeof(float));
    k->add_depthwise_gradient(&d, x.first, dy.first, gradient, images);
    for (int32_t t = 0; t < taps; ++t)
        for (int32_t c = 0; c < in.channels; ++c) {
            double sum = (double)before[t * pixel + c], magnitude = fabs(sum);
            for (int64_t image = 0; image < images; ++image)
                for (int32_t i = 0; i < out.height; ++i)
                    for (int32_t j = 0; j < out.width; ++j) {
                        const int32_t row = i * row_step + drawn[t].row, column = j * column_step + drawn[t].column;
                        if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
                        const int64_t plane = image * in.channels + c;
                        const double product = (double)numbers[(plane * in.height + row) * in.width + column]
                            * (double)upstream[(plane * out.height + i) * out.width + j];
                        sum += product;
                        magnitude += fabs(product);
                    }
            const bound b = bound_of_sum(sum, magnitude, (int64_t)images * out.height * out.width + images);
            expect_within("gradient", gradient + t * pixel + c, &b, 1);
        }
}
