// convolve_planes: the same results as those of convolve.
#include "layers.h"

/// Fails unless there are zeros around the planes, none before the first one, and nothing behind the last image.
static void expect_zeros_around(const value *y) {
    const int64_t end = y->lead + y->images * y->image.image;
    for (int64_t k = 0; k < y->size; ++k)
        if ((k < y->lead || k >= end) && !is_untouched(y->memory + k))
            fail("something was written at %lld, outside of the planes", (long long)(k - y->lead));
    for (int64_t place = 0; place < y->images * y->image.image; ++place) {
        const int64_t in_plane = place % y->image.channel;
        const bool is_pixel =
            in_plane / y->image.row < y->image.height && in_plane % y->image.row < y->image.width;
        if (!is_pixel && y->first[place] != 0) fail("no zero at %lld, which is no pixel", (long long)place);
    }
}

static float *run_planes(const tk_kernels *k, stream *r, const layer *l) {
    pads around = reach_of(l);
    around.rows += between(r, 0, 1), around.columns += between(r, 0, 1);
    const value x = make_planes(l->input, l->images, around);
    const value y = make_planes(l->output, l->images, around), residual = make_twin(&y);
    fill(&x, l->x, ZEROS);
    if (l->residual) fill(&residual, l->residual, ZEROS);
    packed_layer packed = pack(l, r, &x.image, &y.image, k->lanes);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, l->images, shares);
    for (int32_t p = 0; p < parts; ++p)
        k->convolve_planes(
            &packed.convolution, x.first, l->residual ? residual.first : NULL, y.first, packed.room, shares[p]);
    expect_zeros_around(&y);
    return collect(&y);
}

void test_planes(const tk_kernels *k, stream *r) {
    const layer l = draw_layer(r, LAYER_OF_PLANES);
    const int64_t count = l.images * count_of(l.output);
    const float *results = run_planes(k, r, &l);
    expect_within("result", results, reference(&l), count);
    expect_same("result in other shares", run_planes(k, r, &l), results, count);
    expect_same("result with channels last", run_convolution(k, r, &l), results, count);
}
