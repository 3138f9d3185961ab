// What moves numbers and computes nothing: results are exact.
#include <string.h>

#include "values.h"

static pads draw_pads(stream *r) { return (pads){between(r, 0, 2), between(r, 0, 2)}; }

static extents draw_extents(stream *r) {
    return (extents){mostly_small(r, 40), mostly_small(r, 20), mostly_small(r, 20)};
}

void test_import_export(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = draw_extents(r);
    const int64_t count = images * count_of(e), area = e.height * e.width;
    const bool channels_last = one_in(r, 2);
    const value y = make_value(r, k->element_size, e, images, draw_pads(r));
    float *numbers = random_floats(r, count), *given = numbers, *dense = guarded_floats(count);
    for (int64_t i = 0; i < count; ++i) {
        // At times between two elements, equally far from both, or one of the not-a-numbers at either end.
        if (one_in(r, 4)) numbers[i] = (float)(between(r, 128, 255) * 2 + 1) * (one_in(r, 2) ? -1 : 0x1p-20f);
        if (one_in(r, 16)) memcpy(&numbers[i], &(uint32_t){one_in(r, 2) ? 0x7f800001 : 0xffffffff}, sizeof(float));
        dense[i] = (float)rounded(k->element_size, (double)numbers[i]);
    }
    if (channels_last) {
        given = guarded_floats(count);
        for (int64_t i = 0; i < count; ++i) {
            const int64_t image = i / count_of(e), c = i / area % e.channels, place = i % area;
            given[(image * area + place) * e.channels + c] = numbers[i];
        }
    }
    tk_share shares[MOST_SHARES];
    int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->import_images(&y.image, given, channels_last, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    expect_same("pixel", collect(&y), dense, count);
    for (int64_t pixel = 0; pixel < images * area; ++pixel) {
        const int64_t image = pixel / area, i = pixel % area / e.width, j = pixel % e.width;
        const int64_t first = image * y.image.image + i * y.image.row + j * y.image.pixel;
        for (int32_t c = e.channels; c < y.image.pixel; ++c)
            if (number_at(&y, first + c) != 0) fail("channel %d of a pixel is no zero", c);
    }
    const extents of_vector = {e.channels, 1, 1};
    const bool are_floats = one_in(r, 2);
    const float *kept = are_floats ? numbers : dense;
    const value vectors = make_value(r, are_floats ? sizeof(float) : k->element_size, of_vector, images, (pads){0, 0});
    fill(&vectors, kept, NOTHING);
    const tk_image layout = in_elements(vectors.image, vectors.element_size / k->element_size);
    float *exported = guarded_floats(images * e.channels);
    parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->export_vectors(&layout, are_floats, vectors.first, exported, shares[p]);
    expect_same("number", exported, kept, images * e.channels);
}

/// Random runs of channels for `outputs` channels.
static tk_source *draw_sources(stream *r, int32_t outputs, extents in) {
    tk_source sources[64];
    int32_t count = 0;
    for (int32_t first = 0; first < outputs; first += sources[count++].count) {
        const int32_t most = outputs - first < in.channels ? outputs - first : in.channels;
        const int32_t length = mostly_small(r, most);
        const int32_t channel = one_in(r, 4) ? -1 : between(r, 0, in.channels - length);
        sources[count] = (tk_source){length, channel, between(r, -2, 2), between(r, -2, 2)};
    }
    tk_source *drawn = guarded((size_t)count * sizeof *drawn);
    memcpy(drawn, sources, (size_t)count * sizeof *drawn);
    return drawn;
}

void test_move(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents in = draw_extents(r), out = {between(r, 1, 50), in.height, in.width};
    const value x = make_value(r, k->element_size, in, images, draw_pads(r));
    const value y = make_value(r, k->element_size, out, images, draw_pads(r));
    const float *dense = random_elements(r, k->element_size, images * count_of(in));
    fill(&x, dense, NOTHING);
    const tk_source *sources = draw_sources(r, out.channels, in);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->move(&x.image, &y.image, sources, x.first, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    float *expected = guarded_floats(images * count_of(out));
    for (int32_t n = 0; n < images; ++n) {
        const tk_source *s = sources;
        for (int32_t o = 0, first = 0; o < out.channels; ++o) {
            if (o == first + s->count) first = o, ++s;
            for (int32_t i = 0; i < in.height; ++i)
                for (int32_t j = 0; j < in.width; ++j) {
                    const int32_t row = i + s->row, column = j + s->column, c = s->channel + o - first;
                    const bool is_zero = s->channel < 0 || row < 0 || row >= in.height || column < 0
                        || column >= in.width;
                    expected[(((int64_t)n * out.channels + o) * in.height + i) * in.width + j] = is_zero ? 0
                        : dense[(((int64_t)n * in.channels + c) * in.height + row) * in.width + column];
                }
        }
    }
    expect_same("number", collect(&y), expected, images * count_of(out));
}

void test_flatten(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents in = draw_extents(r), out = {(int32_t)count_of(in), 1, 1};
    const value x = make_value(r, k->element_size, in, images, draw_pads(r));
    const value y = make_value(r, k->element_size, out, images, (pads){0, 0});
    const float *dense = random_elements(r, k->element_size, images * count_of(in));
    fill(&x, dense, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->flatten(&x.image, &y.image, x.first, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    expect_same("element", collect(&y), dense, images * count_of(in));
}

/// Between all pairs of layouts.
void test_rearrange(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = draw_extents(r);
    const bool from_planes = one_in(r, 2);
    const value planes = make_planes(e, images, draw_pads(r));
    const value last = make_value(r, k->element_size, e, images, draw_pads(r));
    const value x = from_planes ? planes : last, y = from_planes ? last : planes;
    const float *dense = random_floats(r, images * count_of(e));
    fill(&x, dense, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->rearrange(&x.image, &y.image, x.first, y.first, shares[p]);
    expect_untouched_surroundings(&y);
    expect_same("number", collect(&y), dense, images * count_of(e));
}

/// Makes zeros of all that is no pixel, and of nothing else.
void test_clear_pads(const tk_kernels *k, stream *r) {
    const int32_t images = between(r, 1, 4);
    const extents e = draw_extents(r);
    const bool is_planes = k->element_size == sizeof(float) && one_in(r, 2);
    const value y = is_planes ? make_planes(e, images, draw_pads(r))
                              : make_value(r, k->element_size, e, images, draw_pads(r));
    const float *dense = random_elements(r, k->element_size, images * count_of(e));
    fill(&y, dense, NOTHING);
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, images, shares);
    for (int32_t p = 0; p < parts; ++p) k->clear_pads(&y.image, y.lead, y.first, shares[p]);
    expect_same("pixel", collect(&y), dense, images * count_of(e));
    const value cleared = make_twin(&y);
    fill(&cleared, dense, ZEROS);
    for (int64_t i = -y.lead; i < images * y.image.image + y.room; ++i) {
        const float actual = number_at(&y, i), expected = number_at(&cleared, i);
        if (!is_same(actual, expected))
            fail("%.9g is at %lld, expected %.9g", (double)actual, (long long)i, (double)expected);
    }
}
