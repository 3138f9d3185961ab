#include "layers.h"

#include <math.h>

/// The most products of a layer, for the references take time.
#define MOST_PRODUCTS 200000

static int32_t outputs_of(int32_t length, int32_t before, int32_t behind, int32_t reach, int32_t stride) {
    const int32_t room = length + before + behind - reach - 1;
    return room < 0 ? 0 : room / stride + 1;
}

/// Extents, strides and paddings. False where they make no layer, or too large a one.
static bool draw_geometry(layer *l, stream *r, layer_kind kind) {
    const bool is_plane = kind == LAYER_OF_PLANES || kind == SPARSE_LAYER;
    l->images = mostly_small(r, 24);
    l->input = (extents){mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 36)};
    if (kind == SPLIT_LAYER) l->input.channels += l->input.channels % 2;
    l->output.channels = one_in(r, 2) ? between(r, 1, 70) : mostly_small(r, 6);
    if (kind == LAYER_OF_PLANES) l->output.channels = 4 * between(r, 1, 5);
    l->kernel_height = between(r, 1, 4), l->kernel_width = between(r, 1, 4);
    l->stride_height = is_plane ? 1 : between(r, 1, 3), l->stride_width = is_plane ? 1 : between(r, 1, 3);
    l->dilation_height = between(r, 1, 3), l->dilation_width = between(r, 1, 3);
    if (one_in(r, 2)) l->stride_height = l->stride_width = l->dilation_height = l->dilation_width = 1;
    const int32_t rows = (l->kernel_height - 1) * l->dilation_height;
    const int32_t columns = (l->kernel_width - 1) * l->dilation_width;
    // At times windows lie outside of the image as a whole.
    const int32_t more = is_plane ? 0 : one_in(r, 8);
    l->top = between(r, 0, rows + more), l->left = between(r, 0, columns + more);
    const int32_t bottom = is_plane ? rows - l->top : between(r, 0, rows + more);
    const int32_t right = is_plane ? columns - l->left : between(r, 0, columns + more);
    l->output.height = outputs_of(l->input.height, l->top, bottom, rows, l->stride_height);
    l->output.width = outputs_of(l->input.width, l->left, right, columns, l->stride_width);
    const int64_t products = l->images * count_of(l->output) * tap_count(l) * l->input.channels;
    return products > 0 && products <= MOST_PRODUCTS;
}

/// Dense, none, a range, any or few channels of each tap.
static void draw_support(bool *support, stream *r, int32_t taps, int32_t channels) {
    const int32_t kind = between(r, 0, 9);
    for (int32_t t = 0; t < taps; ++t) {
        int32_t from = 0, to = channels;
        if (kind == 0 || (kind > 4 && one_in(r, 3))) to = 0;
        if (kind > 7) from = between(r, 0, to), to = between(r, from, to);
        for (int32_t c = 0; c < channels; ++c)
            support[t * channels + c] =
                c >= from && c < to && (kind != 4 || one_in(r, 2)) && (kind != 3 || one_in(r, 8));
    }
}

layer draw_layer(stream *r, int32_t element_size, layer_kind kind) {
    layer l = {0};
    while (!draw_geometry(&l, r, kind)) {}
    const int32_t outputs = l.output.channels, channels = l.input.channels, taps = tap_count(&l);
    const int32_t unit = kind == LAYER_OF_PLANES ? 4 : 1;
    l.activation = (tk_activation)between(r, TK_IDENTITY, TK_SWISH);
    l.groups = guarded((size_t)(outputs / unit + 1) * sizeof *l.groups);
    l.support = guarded((size_t)((int64_t)outputs * taps * channels) * sizeof *l.support);
    const bool is_one_group = kind != SPARSE_LAYER && one_in(r, 2);
    for (int32_t first = 0; first < outputs; ++l.group_count) {
        l.groups[l.group_count] = first;
        draw_support(l.support + (int64_t)l.group_count * taps * channels, r, taps, channels);
        const int32_t most = (outputs - first) / unit;
        first += unit * (is_one_group ? most : mostly_small(r, most));
    }
    l.groups[l.group_count] = outputs;
    l.weights = random_elements(r, element_size, (int64_t)outputs * taps * channels);
    l.bias = random_floats(r, outputs);
    l.x = random_elements(r, element_size, l.images * count_of(l.input));
    // Where words have two elements, this would spoil what has a weight for its neighbour only.
    if (one_in(r, 8) && element_size == sizeof(float) && kind != SPLIT_LAYER) l.x[between(r, 0, (int32_t)count_of(l.input) - 1)] = NAN;
    if (one_in(r, 2)) l.residual = random_elements(r, element_size, l.images * count_of(l.output));
    l.is_split = kind == SPLIT_LAYER;
    l.stores_floats = !l.residual && l.activation <= TK_RELU && one_in(r, 2);
    return l;
}

pads reach_of(const layer *l) {
    const int32_t rows = (l->kernel_height - 1) * l->dilation_height;
    const int32_t columns = (l->kernel_width - 1) * l->dilation_width;
    // Of the last window's last tap, out of the image.
    const int32_t bottom = (l->output.height - 1) * l->stride_height - l->top + rows - (l->input.height - 1);
    const int32_t right = (l->output.width - 1) * l->stride_width - l->left + columns - (l->input.width - 1);
    return (pads){bottom > l->top ? bottom : l->top, right > l->left ? right : l->left};
}

layer image_of(const layer *l, int32_t image) {
    layer one = *l;
    one.images = 1;
    one.x += image * count_of(l->input);
    if (one.residual) one.residual += image * count_of(l->output);
    return one;
}

/// Of a sum: sigmoids and swishes are computed from what is stored of it.
static bound bound_of_result(const layer *l, bound sum, int32_t element_size) {
    if (l->stores_floats) element_size = sizeof(float);
    if (l->activation > TK_RELU) sum = rounded_bound(element_size, sum);
    return rounded_bound(element_size, activated_bound(sum, l->activation));
}

bound *reference(const layer *l, int32_t element_size) {
    const extents in = l->input, out = l->output;
    const int32_t taps = tap_count(l);
    bound *results = guarded((size_t)(l->images * count_of(out)) * sizeof *results), *result = results;
    for (int32_t n = 0; n < l->images; ++n)
        for (int32_t o = 0, group = 0; o < out.channels; ++o) {
            if (o == l->groups[group + 1]) ++group;
            for (int32_t i = 0; i < out.height; ++i)
                for (int32_t j = 0; j < out.width; ++j, ++result) {
                    double sum = (double)l->bias[o], magnitude = fabs(sum);
                    for (int32_t t = 0; t < taps; ++t) {
                        const int32_t row = i * l->stride_height + t / l->kernel_width * l->dilation_height - l->top;
                        const int32_t column = j * l->stride_width + t % l->kernel_width * l->dilation_width - l->left;
                        if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
                        const bool *has_weight = l->support + (int64_t)(group * taps + t) * in.channels;
                        const float *weights = l->weights + (int64_t)(o * taps + t) * in.channels;
                        const float *x = l->x + n * count_of(in) + row * in.width + column;
                        for (int32_t c = 0; c < in.channels; ++c) {
                            if (!has_weight[c]) continue;
                            const double product = (double)weights[c] * (double)x[c * in.height * in.width];
                            sum += product;
                            magnitude += fabs(product);
                        }
                    }
                    if (l->residual) {
                        const double residual = (double)l->residual[result - results];
                        sum += residual;
                        magnitude += fabs(residual);
                    }
                    // Of parts six products are added up, and two of about a rounding left out.
                    const int64_t terms = (int64_t)taps * in.channels * (l->is_split ? 8 : 1) + 1;
                    const bound b = bound_of_sum(sum, magnitude, terms);
                    *result = bound_of_result(l, b, element_size);
                }
        }
    return results;
}
