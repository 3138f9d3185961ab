// convolve and convolve_split: any stride, dilation and padding, any support, by every walk.
#include <string.h>

#include "layers.h"

static bool has_stride(const layer *l) { return l->stride_height > 1 || l->stride_width > 1; }

/// `packing` is what blocks and the cuts of taps are drawn from.
static float *run(const tk_kernels *k, stream *r, const layer *l, stream *packing, bool shares_columns) {
    const tk_walk walk = (tk_walk)between(r, has_stride(l) ? TK_ROWS : TK_FLAT, shares_columns ? TK_ROWS : TK_IMAGES);
    pads around = walk == TK_IMAGES ? (pads){0, 0} : reach_of(l), around_output = {between(r, 0, 2), between(r, 0, 2)};
    around.rows += between(r, 0, 1), around.columns += between(r, 0, 1);
    if (walk == TK_FLAT) {
        // One pitch for both.
        const int32_t least = l->input.width + around.columns, other = l->output.width + around_output.columns;
        const int32_t pitch = least > other ? least : other;
        around.columns = pitch - l->input.width, around_output.columns = pitch - l->output.width;
    }
    const int32_t result_size = l->stores_floats ? (int32_t)sizeof(float) : k->element_size;
    const value x = make_value(r, k->element_size, l->input, l->images, around);
    const value y = make_value(r, result_size, l->output, l->images, around_output);
    const value residual = make_twin(&y);
    fill(&x, l->x, walk == TK_IMAGES ? NOTHING : ZEROS);
    if (l->residual) fill(&residual, l->residual, NOTHING);
    packed_layer packed = pack(k, l, packing, &x.image, &y.image);
    packed.convolution.walk = walk;
    packed.convolution.shares_columns = shares_columns;
    packed.convolution.stores_floats = l->stores_floats;
    packed.convolution.output = in_elements(y.image, result_size / k->element_size);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, l->images, shares);
    const void *const added = l->residual ? residual.first : NULL;
    // For three parts in whole cache lines.
    const int64_t floats = x.lead + l->images * x.image.image + x.room;
    void *const room = l->is_split ? guarded((size_t)((floats + 31) / 32 * 32) * 6) : NULL;
    for (int32_t p = 0; p < parts; ++p)
        if (l->is_split)
            k->convolve_split(&packed.convolution, x.first, added, y.first, packed.room, room, shares[p]);
        else k->convolve(&packed.convolution, x.first, added, y.first, packed.room, shares[p]);
    expect_untouched_surroundings(&y);
    return collect(&y);
}

float *run_convolution(const tk_kernels *k, stream *r, const layer *l) { return run(k, r, l, r, false); }

/// The table in plain C for elements of the same size.
static const tk_kernels *in_plain_c(const tk_kernels *k) {
    for (int32_t i = 0; i < tk_kernels_count(); ++i) {
        const tk_kernels *other = tk_kernels_at(i);
        if (other->element_size == k->element_size && strcmp(other->name, "scalar") == 0) return other;
    }
    fail("there are no kernels in plain C");
}

/// Fails unless results are right, and the same in other ways: walks, shares, batches, and unless sums depend on how a
/// layer is packed, blocks and cuts of taps. Returns them.
static const float *expect_results(
    const tk_kernels *k, stream *r, const layer *l, bool depends_on_packing, bool shares_columns) {
    const int64_t count = count_of(l->output);
    const stream first = *r;
    stream same = first;
    stream *const packing = depends_on_packing ? &same : r;
    const float *results = run(k, r, l, packing, shares_columns);
    expect_within("result", results, reference(l, k->element_size), l->images * count);
    for (int32_t way = 0; way < 2; ++way) {
        same = first;
        expect_same("result in another way", run(k, r, l, packing, shares_columns), results, l->images * count);
    }
    const int32_t image = between(r, 0, l->images - 1);
    const layer one = image_of(l, image);
    same = first;
    expect_same(
        "result of one image alone", run(k, r, &one, packing, shares_columns), results + image * count, count);
    return results;
}

void test_convolution(const tk_kernels *k, stream *r) {
    const layer l = draw_layer(r, k->element_size, ANY_LAYER);
    const float *results = expect_results(k, r, &l, is_by_matrices(k), false);
    // Products of halves are exact, and an instruction on vectors adds two of them in the order of plain C.
    if (k->element_size < (int32_t)sizeof(float) && l.activation <= TK_RELU && !is_by_matrices(k))
        expect_same(
            "result in plain C", run_convolution(in_plain_c(k), r, &l), results, l.images * count_of(l.output));
}

void test_shared_columns(const tk_kernels *k, stream *r) {
    layer l = draw_layer(r, k->element_size, ANY_LAYER);
    while (has_stride(&l)) l = draw_layer(r, k->element_size, ANY_LAYER);
    expect_results(k, r, &l, true, true);
}

void test_split(const tk_kernels *k, stream *r) {
    if (!k->convolve_split) return;
    const layer l = draw_layer(r, k->element_size, SPLIT_LAYER);
    expect_results(k, r, &l, true, false);
}
