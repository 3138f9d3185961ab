// convolve_planes: the same results as those of convolve.
#include "layers.h"

static float *run_planes(const tk_kernels *k, stream *r, const layer *l) {
    pads around = reach_of(l);
    around.rows += between(r, 0, 1), around.columns += between(r, 0, 1);
    const value x = make_planes(l->input, l->images, around);
    const value y = make_planes(l->output, l->images, around), residual = make_twin(&y);
    fill(&x, l->x, ZEROS);
    if (l->residual) fill(&residual, l->residual, ZEROS);
    packed_layer packed = pack(k, l, r, &x.image, &y.image);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, l->images, shares);
    for (int32_t p = 0; p < parts; ++p)
        k->convolve_planes(
            &packed.convolution, x.first, l->residual ? residual.first : NULL, y.first, packed.room, shares[p]);
    expect_zeros_around(&y);
    return collect(&y);
}

void test_planes(const tk_kernels *k, stream *r) {
    const layer l = draw_layer(r, k->element_size, LAYER_OF_PLANES);
    const int64_t count = l.images * count_of(l.output);
    const float *results = run_planes(k, r, &l);
    expect_within("result", results, reference(&l, k->element_size), count);
    expect_same("result in other shares", run_planes(k, r, &l), results, count);
    expect_same("result with channels last", run_convolution(k, r, &l), results, count);
}
