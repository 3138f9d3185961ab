#include <stdlib.h>
#include <string.h>

#include "layers.h"

/// What becomes a tk_convolution, while its lengths are not known.
typedef struct {
    int32_t word_elements;
    tk_block *blocks;
    tk_tap *taps;
    float *weights;
    int32_t block_count, tap_count, most_taps;
    int64_t weight_count;
} draft;

/// The taps of a group of outputs: for each, its ranges of channels in words, at times cut once more.
static void append_taps(draft *d, stream *r, const layer *l, int32_t group) {
    const int32_t channels = l->input.channels, elements = d->word_elements;
    const bool cuts = one_in(r, 2);
    for (int32_t t = 0; t < tap_count(l); ++t) {
        const bool *has_weight = l->support + (int64_t)(group * tap_count(l) + t) * channels;
        for (int32_t first = 0, end; first < channels; first = end) {
            end = first + 1;
            if (!has_weight[first]) continue;
            while (end < channels && has_weight[end]) ++end;
            // The last word must lie in the pixel, whatever channel it begins with.
            if ((end - first) % elements != 0 && first % elements != 0) --first;
            for (int32_t words; first < end; first += words * elements) {
                words = 1;
                while (first + words * elements < end && !(cuts && one_in(r, 12))) ++words;
                d->taps[d->tap_count++] = (tk_tap){
                    t / l->kernel_width * l->dilation_height - l->top,
                    t % l->kernel_width * l->dilation_width - l->left, first, words};
            }
        }
    }
}

/// A channel's weight for an output; zero where the support or the layer has none.
static float weight_of(const layer *l, int32_t group, int32_t output, int32_t tap, int32_t channel) {
    const int32_t channels = l->input.channels;
    const bool has_weight =
        channel < channels && l->support[(int64_t)(group * tap_count(l) + tap) * channels + channel];
    return has_weight ? l->weights[((int64_t)output * tap_count(l) + tap) * channels + channel] : 0;
}

/// What halves hold of a float, of what they leave, or of what is left then.
static float part_of(float x, int32_t part) {
    const float own = (float)rounded(2, (double)x);
    return part == 0 ? own : part_of(x - own, part - 1);
}

/// The weights of a block of `width` outputs with room, [tap][word][width][elements], or one part of them. What is no
/// output has none.
static void append_weights(
    draft *d, const layer *l, int32_t group, const tk_block *block, int32_t outputs, int32_t width, int32_t part) {
    const int32_t elements = d->word_elements;
    for (int32_t i = block->first_tap; i < block->first_tap + block->tap_count; ++i) {
        const tk_tap tap = d->taps[i];
        const int32_t t = (tap.row + l->top) / l->dilation_height * l->kernel_width
            + (tap.column + l->left) / l->dilation_width;
        for (int32_t c = tap.first_channel; c < tap.first_channel + tap.words * elements; c += elements)
            for (int32_t o = 0; o < width; ++o) {
                float weights[2] = {0, 0};
                for (int32_t e = 0; e < elements && o < outputs; ++e)
                    weights[e] = weight_of(l, group, block->first_output + o, t, c + e);
                if (l->is_split)
                    for (int32_t e = 0; e < elements; ++e) weights[e] = part_of(weights[e], part);
                d->weights[d->weight_count++] = word_of(elements, weights);
            }
    }
}

/// The blocks of a group of outputs, which share its taps.
static void append_blocks(
    draft *d, stream *r, const layer *l, int32_t group, const tk_image *output, int32_t lanes) {
    const bool is_planes = output->channel > 1;
    const int32_t unit = is_planes ? 4 : lanes, most = is_planes ? 4 : 2 * lanes;
    const int32_t first_tap = d->tap_count;
    append_taps(d, r, l, group);
    const int32_t count = d->tap_count - first_tap;
    if (count > d->most_taps) d->most_taps = count;
    for (int32_t first = l->groups[group], end; first < l->groups[group + 1]; first = end) {
        end = first + (is_planes || one_in(r, 2) ? most : between(r, 1, most));
        if (end > l->groups[group + 1]) end = l->groups[group + 1];
        const int32_t vectors = (end - first + unit - 1) / unit;
        tk_block block = {first, end - first, vectors, first_tap, count, d->weight_count};
        // The last outputs' vectors may run on over the padding of their pixel.
        const int32_t padded = output->pixel - first < vectors * unit ? output->pixel - first : vectors * unit;
        if (!is_planes && end == l->output.channels && one_in(r, 2)) block.outputs = padded;
        for (int32_t part = 0; part < (l->is_split ? 3 : 1); ++part)
            append_weights(d, l, group, &block, end - first, vectors * unit, part);
        d->blocks[d->block_count++] = block;
    }
}

packed_layer pack(const tk_kernels *k, const layer *l, stream *r, const tk_image *input, const tk_image *output) {
    const int32_t lanes = k->lanes;
    const size_t outputs = (size_t)l->output.channels, terms = (size_t)(tap_count(l) * l->input.channels);
    draft d = {
        .word_elements = l->is_split ? 2 : (int32_t)sizeof(float) / k->element_size, .blocks = malloc(outputs * sizeof *d.blocks),
        .taps = malloc(outputs * terms * sizeof *d.taps),
        .weights = malloc(outputs * terms * 2 * (size_t)lanes * (l->is_split ? 3 : 1) * sizeof *d.weights)};
    if (!d.blocks || !d.taps || !d.weights) fail("there is no memory for the test");
    for (int32_t group = 0; group < l->group_count; ++group) append_blocks(&d, r, l, group, output, lanes);
    float *bias = guarded_floats(l->output.channels + 2 * lanes);
    memcpy(bias, l->bias, outputs * sizeof *bias);
    return (packed_layer){
        .convolution = {
            .input = *input, .output = *output, .stride_height = l->stride_height, .stride_width = l->stride_width,
            .splits_outputs = one_in(r, 2), .activation = l->activation, .block_count = d.block_count,
            .blocks = moved_to_guarded(d.blocks, (size_t)d.block_count * sizeof *d.blocks),
            .taps = moved_to_guarded(d.taps, (size_t)d.tap_count * sizeof *d.taps),
            .weights = moved_to_guarded(d.weights, (size_t)d.weight_count * sizeof *d.weights), .bias = bias},
        .room = guarded((size_t)d.most_taps * sizeof(tk_entry))};
}
