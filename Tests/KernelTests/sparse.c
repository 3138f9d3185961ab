// convolve_sparse: any weights, in strips of any length. Nothing is read but what copies are made from, and nothing of
// that matters but the planes and the rows above and below them.
#include <stdlib.h>
#include <string.h>

#include "layers.h"

/// How the taps lie to vectors of a plane.
typedef struct {
    tk_copy copies[16];
    int32_t copy_count;
    /// For each tap that has weights: its copy, and how far from a position, a multiple of a vector.
    int32_t copy[16], offset[16];
    /// The least and the largest offset, 0 included.
    int32_t least, most;
} grid;

static bool has_weights(const layer *l, int32_t tap) {
    for (int32_t place = 0; place < l->group_count * l->input.channels; ++place) {
        const int32_t group = place / l->input.channels, c = place % l->input.channels;
        if (l->support[(int64_t)(group * tap_count(l) + tap) * l->input.channels + c]) return true;
    }
    return false;
}

static grid grid_of(const layer *l, int64_t pitch, int32_t lanes) {
    grid g = {0};
    for (int32_t t = 0; t < tap_count(l); ++t) {
        if (!has_weights(l, t)) continue;
        const int32_t rows = (t / l->kernel_width * l->dilation_height - l->top) * (int32_t)pitch;
        const tk_copy copy = {(rows % lanes + lanes) % lanes, t % l->kernel_width * l->dilation_width - l->left};
        int32_t k = 0;
        while (k < g.copy_count && (g.copies[k].shift != copy.shift || g.copies[k].column != copy.column)) ++k;
        g.copies[k] = copy;
        if (k == g.copy_count) ++g.copy_count;
        g.copy[t] = k, g.offset[t] = rows - copy.shift;
        if (g.offset[t] < g.least) g.least = g.offset[t];
        if (g.offset[t] > g.most) g.most = g.offset[t];
    }
    return g;
}

/// The terms of an output and of channels from `first` up to `end`, in fours: what the last one has too many reads what
/// is read anyway, times zero. Returns how many fours there are.
static int32_t append_terms(
    tk_terms *terms, const layer *l, const grid *g, const tk_sparse *s, int32_t lanes, int32_t output, int32_t first,
    int32_t end) {
    int32_t count = 0, group = 0;
    while (output >= l->groups[group + 1]) ++group;
    for (int32_t t = 0; t < tap_count(l); ++t)
        for (int32_t c = first; c < end; ++c) {
            const int32_t channels = l->input.channels;
            if (!l->support[(int64_t)(group * tap_count(l) + t) * channels + c]) continue;
            const int32_t place = ((g->copy[t] * channels + c) * s->length + g->offset[t] - s->before) / lanes;
            tk_terms *four = &terms[count / 4];
            for (int32_t i = count % 4; i < 4; ++i) four->vectors[i] = (uint16_t)place, four->weights[i] = 0;
            four->weights[count++ % 4] = l->weights[((int64_t)output * tap_count(l) + t) * channels + c];
        }
    return (count + 3) / 4;
}

/// Slices of so many channels, their terms where borders are guarded.
static void pack_terms(tk_sparse *s, const layer *l, const grid *g, int32_t lanes, int32_t slice) {
    const int32_t outputs = l->output.channels, channels = l->input.channels;
    s->slice_count = (channels + slice - 1) / slice;
    const size_t most = (size_t)outputs * (size_t)(tap_count(l) * channels + 3 * s->slice_count);
    tk_terms *draft = malloc(most * sizeof *draft);
    if (!draft) fail("there is no memory for the test");
    int32_t *ends = guarded((size_t)(s->slice_count * outputs + 1) * sizeof *ends), count = 0;
    s->ends = ends;
    for (int32_t first = 0; first < channels; first += slice) {
        const int32_t end = first + slice < channels ? first + slice : channels;
        for (int32_t o = 0; o < outputs; ++o) {
            *ends++ = count;
            count += append_terms(draft + count, l, g, s, lanes, o, first, end);
        }
    }
    *ends = count;
    s->terms = memcpy(guarded((size_t)count * sizeof *draft), draft, (size_t)count * sizeof *draft);
    free(draft);
}

/// More zeros between rows than taps need, at most.
#define MOST_COLUMNS 2

/// A layer for whose copies' vectors 16 bits are enough, whatever the pitch.
static layer draw_sparse_layer(stream *r, int32_t lanes) {
    for (;;) {
        const layer l = draw_layer(r, sizeof(float), SPARSE_LAYER);
        const int32_t reach = (l.kernel_height - 1) * l.dilation_height * (l.input.width + MOST_COLUMNS);
        if (tap_count(&l) * l.input.channels * (reach / lanes + 4) <= UINT16_MAX) return l;
    }
}

/// Makes not-a-numbers of all that is no pixel and not so many rows above or below one.
static void spoil_surroundings(const value *x, int32_t rows) {
    const tk_image *image = &x->image;
    const int64_t end = x->images * image->image + x->room, planes = (int64_t)x->images * image->channels;
    bool *is_needed = calloc((size_t)(x->lead + end), sizeof *is_needed);
    if (!is_needed) fail("there is no memory for the test");
    for (int64_t line = 0; line < planes * (image->height + 2 * rows); ++line) {
        const int64_t plane = line / (image->height + 2 * rows), i = line % (image->height + 2 * rows) - rows;
        for (int64_t j = 0; j < image->width; ++j) {
            const int64_t place = plane * image->channel + i * image->row + j;
            if (place >= -x->lead && place < end) is_needed[x->lead + place] = true;
        }
    }
    for (int64_t k = -x->lead; k < end; ++k)
        if (!is_needed[x->lead + k]) memset(place_of(x, k), 0xff, (size_t)x->element_size);
    free(is_needed);
}

static float *run_sparse(const tk_kernels *k, stream *r, const layer *l, int32_t slice) {
    const int32_t lanes = k->lanes;
    const pads around = {reach_of(l).rows + between(r, 0, 1), between(r, 0, MOST_COLUMNS)};
    const tk_image in = planes_of(l->input, around);
    const grid g = grid_of(l, in.row, lanes);
    const int32_t vectors = ((in.height - 1) * (int32_t)in.row + in.width + lanes - 1) / lanes;
    const int32_t reach = g.most - g.least, copied = (g.copy_count > 0 ? g.copy_count : 1) * in.channels;
    const int32_t fitting = UINT16_MAX / copied - reach / lanes - 1;
    const value y = make_planes(l->output, l->images, around), residual = make_twin(&y);
    if (l->residual) fill(&residual, l->residual, NOTHING);
    tk_sparse s = {
        .input = in, .output = y.image, .activation = l->activation, .copy_count = g.copy_count,
        .strip = between(r, 1, vectors < fitting ? vectors : fitting), .before = g.least};
    s.length = ((s.strip * lanes + reach) / lanes | 1) * lanes;
    tk_copy *copies = guarded((size_t)g.copy_count * sizeof *copies);
    s.copies = memcpy(copies, g.copies, (size_t)g.copy_count * sizeof *copies);
    s.bias = memcpy(guarded_floats(l->output.channels), l->bias, (size_t)l->output.channels * sizeof(float));
    pack_terms(&s, l, &g, lanes, slice);
    // Exactly as much before and behind the planes as copies are made from.
    int64_t least = 0, most = INT32_MIN;
    for (int32_t i = 0; i < g.copy_count; ++i) {
        const int32_t from = copies[i].shift + copies[i].column;
        least = from < least ? from : least, most = from > most ? from : most;
    }
    const int64_t behind = (vectors - s.strip) * lanes + s.before + s.length + most - in.channel;
    const value x = make_between(k->element_size, &in, l->images, -s.before - least, behind > 0 ? behind : 0);
    fill(&x, l->x, ZEROS);
    spoil_surroundings(&x, reach_of(l).rows);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, l->images, shares);
    for (int32_t p = 0; p < parts; ++p) {
        // A thread's own, and what is in it before means nothing.
        float *room = guarded_floats((int64_t)(s.copy_count * in.channels + 1) * s.length);
        k->convolve_sparse(&s, x.first, l->residual ? residual.first : NULL, y.first, room, shares[p]);
    }
    expect_zeros_around(&y);
    return collect(&y);
}

void test_sparse(const tk_kernels *k, stream *r) {
    const layer l = draw_sparse_layer(r, k->lanes);
    const int64_t count = count_of(l.output);
    // Slices decide upon the order of additions; strips, shares, batches and zeros between rows do not.
    const int32_t slice = between(r, 1, l.input.channels);
    const float *results = run_sparse(k, r, &l, slice);
    expect_within("result", results, reference(&l, k->element_size), l.images * count);
    expect_same("result in other strips", run_sparse(k, r, &l, slice), results, l.images * count);
    const int32_t image = between(r, 0, l.images - 1);
    const layer one = image_of(&l, image);
    expect_same("result of one image alone", run_sparse(k, r, &one, slice), results + image * count, count);
}
