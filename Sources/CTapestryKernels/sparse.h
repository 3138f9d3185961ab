// Convolution by single weights: each output has a list of the weights that are not zero, and nothing else is computed.
//
// A vector is neighbouring positions of a plane. A tap is an offset in the plane, which would make most loads cross
// cache lines; so planes are copied first, once for each way in which offsets lie to vectors, with zeros where a tap
// would reach into a neighbouring row. Every term is then one aligned load, shared by as many tiles' vectors as there
// are registers for.
#pragma once

/// What one call of a tile computes: M vectors of positions of one output.
typedef struct {
    const float *copies;
    const tk_terms *terms, *end;
    /// NULL where `y` has the sums of the slices before.
    const float *bias;
    /// NULL where nothing is to be added.
    const float *residual;
    float *y;
    tk_activation activation;
} sparse_tile;

/// Four terms at a time are summed up by themselves: few sums could not keep all multipliers busy one after the other.
FORCE_INLINE void compute_sparse_tile(const sparse_tile *t, const int M) {
    vector total[MOST_SPARSE_VECTORS];
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) total[m] = t->bias ? all(*t->bias) : load(t->y + m * LANES);
    for (const tk_terms *terms = t->terms; terms < t->end; ++terms) {
        vector sum[MOST_SPARSE_VECTORS];
        // One load for the places of four.
        uint64_t places;
        __builtin_memcpy(&places, terms->vectors, sizeof places);
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; ++i) {
            const float *x = t->copies + (places >> (16 * i) & 0xFFFF) * LANES;
            const vector weight = all(terms->weights[i]);
#pragma clang loop unroll(full)
            for (int m = 0; m < M; ++m) {
                const vector value = *(const vector *)(x + m * LANES);
                sum[m] = i == 0 ? value * weight : multiply_add(value, weight, sum[m]);
            }
        }
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) total[m] += sum[m];
    }
    if (t->residual) {
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) total[m] += load(t->residual + m * LANES);
    }
    if (t->activation == TK_RELU) {
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) total[m] = rectified(total[m]);
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) store(t->y + m * LANES, total[m]);
}

#define DEFINE_SPARSE_TILE(M) \
    static void sparse_tile_##M(const sparse_tile *t) { compute_sparse_tile(t, M); }
SPARSE_TILES(DEFINE_SPARSE_TILE)

#define SPARSE_TILE_ENTRY(M) [M] = sparse_tile_##M,
static void (*const sparse_tiles[])(const sparse_tile *) = {SPARSE_TILES(SPARSE_TILE_ENTRY)};

/// The tiles of all outputs for M vectors of positions: `x` in the copies, `y` and `residual` in the first output.
static void convolve_positions(
    const tk_sparse *s, const int32_t M, const float *x, const float *residual, float *y) {
    const int32_t outputs = s->output.channels;
    sparse_tile t = {.copies = x};
    for (int32_t slice = 0; slice < s->slice_count; ++slice) {
        const bool is_last = slice == s->slice_count - 1;
        t.activation = is_last ? s->activation : TK_IDENTITY;
        for (int32_t o = 0; o < outputs; ++o) {
            const int32_t *ends = s->ends + slice * outputs + o;
            t.terms = s->terms + ends[0];
            t.end = s->terms + ends[1];
            t.bias = slice == 0 ? s->bias + o : NULL;
            t.residual = is_last && residual ? residual + o * s->output.channel : NULL;
            t.y = y + o * s->output.channel;
            sparse_tiles[M](&t);
            if (t.activation > TK_RELU)
                for (int32_t v = 0; v < M * LANES; v += LANES)
                    store(t.y + v, activated(load(t.y + v), t.activation));
        }
    }
}

// Little-endian, as all processors that have vectors are here.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "terms->vectors[0] is in the lowest bits");

/// Copies of `length` floats of all channels' planes, from the one at `first` on. `mask` has room for as many.
static void copy_shifted(
    const tk_sparse *s, const float *x, int64_t first, int32_t length, float *copies, int32_t *mask) {
    const int32_t pitch = (int32_t)s->input.row, width = s->input.width;
    for (int32_t k = 0; k < s->copy_count; ++k) {
        const tk_copy copy = s->copies[k];
        int32_t column = (int32_t)((first + copy.shift) % pitch);
        if (column < 0) column += pitch;
        for (int32_t i = 0; i < length && i < pitch; ++i) {
            mask[i] = column + copy.column >= 0 && column + copy.column < width ? -1 : 0;
            column = column + 1 == pitch ? 0 : column + 1;
        }
        // It goes on like that, row by row.
        for (int32_t known = pitch; known < length; known *= 2)
            __builtin_memcpy(mask + known, mask, (size_t)(length - known < known ? length - known : known) * 4);
        for (int32_t c = 0; c < s->input.channels; ++c) {
            const float *source = x + c * s->input.channel + first + copy.shift + copy.column;
            float *target = copies + ((int64_t)k * s->input.channels + c) * s->length;
            for (int32_t i = 0; i < length; i += LANES)
                *(vector *)(target + i) = (vector)((integers)load(source + i) & *(const integers *)(mask + i));
        }
    }
}

/// Shares are of images' strips.
static void convolve_sparse(
    const tk_sparse *s, const void *from, const void *addend, void *to, float *room, tk_share share) {
    const float *const x = from, *const residual = addend;
    float *const y = to;
    const int32_t vectors =
        ((s->output.height - 1) * (int32_t)s->output.row + s->output.width + LANES - 1) / LANES;
    const int32_t strips = (vectors + s->strip - 1) / s->strip;
    float *const copies = room;
    int32_t *const mask = (int32_t *)(room + (int64_t)s->copy_count * s->input.channels * s->length);
    const range items = part_of((int64_t)share.images * strips, share);
    for (int64_t item = items.from; item < items.to; ++item) {
        const int64_t image = item / strips, strip = item % strips;
        const int32_t start = (int32_t)(strip * s->strip);
        const int32_t count = vectors - start < s->strip ? vectors - start : s->strip;
        copy_shifted(
            s, x + image * s->input.image, (int64_t)start * LANES + s->before,
            s->length - (s->strip - count) * LANES, copies, mask);
        const int32_t tiles = (count + MOST_SPARSE_VECTORS - 1) / MOST_SPARSE_VECTORS;
        for (int32_t t = 0, first = 0; t < tiles; ++t) {
            const int32_t M = count / tiles + (t < count % tiles);
            const int64_t place = image * s->output.image + (int64_t)(start + first) * LANES;
            convolve_positions(
                s, M, copies + (int64_t)first * LANES, residual ? residual + place : NULL, y + place);
            first += M;
        }
        const int64_t end = strip == strips - 1 ? s->output.channel : (int64_t)(start + count) * LANES;
        for (int32_t o = 0; o < s->output.channels; ++o)
            clear_plane(
                &s->output, y + image * s->output.image + o * s->output.channel, (int64_t)start * LANES, end);
    }
}
