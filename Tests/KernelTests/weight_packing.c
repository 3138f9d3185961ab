// pack_weights: parameters in the form in which `convolve` reads them.
#include <stdlib.h>
#include <string.h>

#include "values.h"

/// A parameter of [output][tap][channel], its dimensions in any order in memory.
typedef struct {
    int32_t outputs, taps, channels;
    int64_t output_step, tap_step, channel_step;
    float *weights;
} parameter;

static parameter draw_parameter(stream *r) {
    parameter p = {.outputs = mostly_small(r, 70), .taps = mostly_small(r, 9), .channels = mostly_small(r, 40)};
    // Whole fours are packed in another way.
    if (one_in(r, 2)) p.outputs = 4 * between(r, 1, 18), p.channels = between(r, 4, 40);
    const int32_t counts[3] = {p.outputs, p.taps, p.channels};
    int64_t *steps[3] = {&p.output_step, &p.tap_step, &p.channel_step};
    int32_t order[3] = {0, 1, 2};
    for (int32_t i = 2; i > 0; --i) {
        const int32_t j = between(r, 0, i), other = order[j];
        order[j] = order[i], order[i] = other;
    }
    int64_t count = 1;
    for (int32_t i = 0; i < 3; count *= counts[order[i++]]) *steps[order[i]] = count;
    p.weights = random_floats(r, count);
    return p;
}

/// What becomes a tk_packing, while its lengths are not known.
typedef struct {
    tk_block *blocks;
    tk_tap *taps;
    int64_t *sources;
    int32_t *channels;
    int32_t block_count, tap_count;
    /// Floats of the packed weights, at times with some that are nobody's between blocks.
    int64_t size;
} draft;

/// Taps on random ranges of the parameter's channels.
static void append_taps(draft *d, stream *r, const parameter *p, int32_t elements) {
    for (int32_t left = between(r, 0, 5); left > 0; --left, ++d->tap_count) {
        const int32_t first = between(r, 0, p->channels - 1), count = between(r, 1, p->channels - first);
        // Packing asks for the number of words only.
        d->taps[d->tap_count] = (tk_tap){.words = (count + elements - 1) / elements};
        d->sources[d->tap_count] = between(r, 0, p->taps - 1) * p->tap_step + first * p->channel_step;
        d->channels[d->tap_count] = count;
    }
}

static draft draw_blocks(stream *r, const parameter *p, const tk_kernels *k) {
    const size_t most_taps = 5 * (size_t)p->outputs;
    draft d = {
        .blocks = malloc((size_t)p->outputs * sizeof *d.blocks), .taps = malloc(most_taps * sizeof *d.taps),
        .sources = malloc(most_taps * sizeof *d.sources), .channels = malloc(most_taps * sizeof *d.channels)};
    if (!d.blocks || !d.taps || !d.sources || !d.channels) fail("there is no memory for the test");
    for (int32_t output = 0, first_tap = 0; output < p->outputs;) {
        if (output == 0 || one_in(r, 2)) {
            first_tap = d.tap_count;
            append_taps(&d, r, p, (int32_t)sizeof(float) / k->element_size);
        }
        const int32_t left = p->outputs - output, most = left < 2 * k->lanes ? left : 2 * k->lanes;
        const int32_t outputs = one_in(r, 2) ? most : between(r, 1, most);
        tk_block *block = &d.blocks[d.block_count++];
        *block = (tk_block){
            output, outputs, (outputs + k->lanes - 1) / k->lanes, first_tap, d.tap_count - first_tap, d.size};
        for (int32_t t = first_tap; t < d.tap_count; ++t) d.size += d.taps[t].words * block->vectors * k->lanes;
        if (one_in(r, 4)) d.size += between(r, 1, 20);
        output += outputs;
    }
    return d;
}

static void pack_block(
    const tk_packing *p, const parameter *source, const tk_block *block, const tk_kernels *k, float *packed) {
    const int32_t elements = (int32_t)sizeof(float) / k->element_size;
    packed += block->weights;
    for (int32_t t = block->first_tap; t < block->first_tap + block->tap_count; ++t)
        for (int32_t c = 0; c < p->channels[t]; c += elements)
            for (int32_t l = 0; l < block->vectors * k->lanes; ++l) {
                float numbers[2] = {0, 0};
                for (int32_t e = 0; e < elements && l < block->outputs && c + e < p->channels[t]; ++e) {
                    const int64_t of_output = (block->first_output + l) * source->output_step;
                    const float weight = source->weights[p->sources[t] + of_output + (c + e) * source->channel_step];
                    numbers[e] = (float)rounded(k->element_size, (double)weight);
                }
                *packed++ = word_of(elements, numbers);
            }
}

void test_pack_weights(const tk_kernels *k, stream *r) {
    const parameter source = draw_parameter(r);
    const draft d = draw_blocks(r, &source, k);
    const size_t taps = (size_t)d.tap_count;
    const tk_packing p = {
        .blocks = moved_to_guarded(d.blocks, (size_t)d.block_count * sizeof *d.blocks),
        .taps = moved_to_guarded(d.taps, taps * sizeof *d.taps),
        .sources = moved_to_guarded(d.sources, taps * sizeof *d.sources), .lane_step = source.output_step,
        .channel_step = source.channel_step, .channels = moved_to_guarded(d.channels, taps * sizeof *d.channels)};
    const int32_t from = between(r, 0, d.block_count);
    const int32_t to = one_in(r, 2) ? d.block_count : between(r, from, d.block_count);
    float *packed = guarded_floats(d.size), *expected = guarded_floats(d.size);
    k->pack_weights(&p, source.weights, packed, from, to);
    // What belongs to no block, or to none of these, is as it was in both.
    for (int32_t b = from; b < to; ++b) pack_block(&p, &source, &p.blocks[b], k, expected);
    for (int64_t i = 0; i < d.size; ++i)
        if (memcmp(packed + i, expected + i, sizeof *packed) != 0) {
            uint32_t words[2];
            memcpy(words, packed + i, sizeof *words), memcpy(words + 1, expected + i, sizeof *words);
            fail("packed word %lld is %#x, expected %#x", (long long)i, words[0], words[1]);
        }
}
