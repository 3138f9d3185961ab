// What training needs beside convolutions: values read through batch norms and ReLUs, statistics, gradients of weights.
#pragma once

/// `count` is LANES or more, or the rest of the channels.
FORCE_INLINE vector load_some(const element *p, int32_t count) {
    return count >= LANES ? load_values(p) : load_first_values(p, count);
}
FORCE_INLINE void store_some(element *p, vector x, int32_t count) {
    if (count >= LANES) store_values(p, x);
    else store_first_values(p, x, count);
}
FORCE_INLINE vector load_some_floats(const float *p, int32_t count) {
    if (count >= LANES) return load(p);
    vector x = 0;
    for (int32_t i = 0; i < count; ++i) x[i] = p[i];
    return x;
}
FORCE_INLINE void store_some_floats(float *p, vector x, int32_t count) {
    if (count >= LANES) store(p, x);
    else store_first(p, x, count);
}

/// A vector of channels of a reading.
typedef struct {
    vector factor, offset;
    bool scales, rectifies;
} vector_reading;

FORCE_INLINE vector_reading reading_of(tk_reading r, int32_t channel, int32_t count) {
    vector_reading v = {0, 0, r.factors != NULL, r.rectifies};
    if (v.scales) {
        v.factor = load_some_floats(r.factors + channel, count);
        v.offset = load_some_floats(r.offsets + channel, count);
    }
    return v;
}

FORCE_INLINE vector read(vector x, const vector_reading *r) {
    const vector y = r->scales ? multiply_add(x, r->factor, r->offset) : x;
    return r->rectifies ? rectified(y) : y;
}

/// What follows for each vector `c` of the channels, of which `count` are left: a constant, but for the last one.
#define FOR_EACH_VECTOR(channels, ...) \
    for (int32_t c = 0; c < (channels); c += LANES) { \
        if ((channels) - c >= LANES) { \
            enum { count = LANES }; \
            __VA_ARGS__ \
        } else { \
            const int32_t count = (channels) - c; \
            __VA_ARGS__ \
        } \
    }

/// One row of an image. What is decided for a whole row is decided once.
FORCE_INLINE void read_row(
    const element *x, int64_t x_step, element *y, int64_t y_step, int32_t width, const vector_reading *r,
    const int32_t count) {
#define READ_ROW \
    for (int32_t j = 0; j < width; ++j) \
        store_some(y + j * y_step, read(load_some(x + j * x_step, count), &own), count);
    if (r->scales && r->rectifies) {
        const vector_reading own = {r->factor, r->offset, true, true};
        READ_ROW
    } else if (r->scales) {
        const vector_reading own = {r->factor, r->offset, true, false};
        READ_ROW
    } else {
        const vector_reading own = {0, 0, false, r->rectifies};
        READ_ROW
    }
#undef READ_ROW
}

static void read_images(const tk_image *to, tk_reading reading, const void *from, void *target, int32_t images) {
    const element *x = from;
    element *const y = target;
    const int32_t channels = to->channels;
    for (int32_t image = 0; image < images; ++image)
        for (int32_t i = 0; i < to->height; ++i, x += (int64_t)to->width * channels) {
            element *const row = y + image * to->image + i * to->row;
            FOR_EACH_VECTOR(channels, {
                const vector_reading r = reading_of(reading, c, count);
                read_row(x + c, channels, row + c, to->pixel, to->width, &r, count);
            })
            if (channels % WORD_ELEMENTS != 0)
                for (int32_t j = 0; j < to->width; ++j) complete_word(row + (int64_t)j * to->pixel, channels);
        }
}

// Pixels that are passed over together, so that they stay in the nearest cache for all vectors of channels.
#define PIXELS_AT_ONCE 64

#define FOR_EACH_STRIP(pixels) \
    for (int64_t first = 0, end = 0; end = first + PIXELS_AT_ONCE < (pixels) ? first + PIXELS_AT_ONCE : (pixels), \
                 first < (pixels); \
         first = end)

static void add_readings(
    int64_t pixels, int32_t channels, tk_reading reading_a, const void *first_value, tk_reading reading_b,
    const void *second_value, void *to) {
    const element *const a = first_value, *const b = second_value;
    element *const y = to;
    FOR_EACH_STRIP(pixels) {
        FOR_EACH_VECTOR(channels, {
            const vector_reading ra = reading_of(reading_a, c, count), rb = reading_of(reading_b, c, count);
            for (int64_t p = first; p < end; ++p) {
                const int64_t place = p * channels + c;
                vector sum = read(load_some(a + place, count), &ra);
                if (b) sum += read(load_some(b + place, count), &rb);
                store_some(y + place, sum, count);
            }
        })
    }
}

/// The sum over `pixels` of a vector of channels, of what differs from `pivot`, and of its square.
FORCE_INLINE void sum_up(
    const element *x, int64_t pixels, int32_t channels, const int32_t count, vector pivot, vector *sum,
    vector *squares) {
    vector s[4] = {0}, q[4] = {0};
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4)
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; ++i) {
            const vector d = load_some(x + (p + i) * channels, count) - pivot;
            s[i] += d;
            q[i] = multiply_add(d, d, q[i]);
        }
    for (; p < pixels; ++p) {
        const vector d = load_some(x + p * channels, count) - pivot;
        s[0] += d;
        q[0] = multiply_add(d, d, q[0]);
    }
    *sum = (s[0] + s[1]) + (s[2] + s[3]);
    *squares = (q[0] + q[1]) + (q[2] + q[3]);
}

static void find_moments(int64_t pixels, int32_t channels, const void *from, float *means, float *squares) {
    const element *const x = from;
    enum { samples = 8 };
    FOR_EACH_VECTOR(channels, {
        // Sums of squares of what differs from a value near the mean lose no digits to it.
        vector pivot = 0;
        for (int64_t i = 0; i < samples; ++i)
            pivot += load_some(x + (2 * i + 1) * pixels / (2 * samples) * channels + c, count) * (1.0f / samples);
        vector sum, square;
        sum_up(x + c, pixels, channels, count, pivot, &sum, &square);
        const vector difference = sum / (float)pixels;
        store_some_floats(means + c, pivot + difference, count);
        const vector rest = square - sum * difference;
        store_some_floats(squares + c, rest > 0 ? rest : (rest != rest ? rest : (vector)0), count);
    })
}

FORCE_INLINE void take_gradient_of(
    int64_t pixels, int32_t channels, const vector_reading r, const element *x, vector mean, const element *upstream,
    element *g, vector *sum, vector *product, const int32_t count, const bool sums) {
    vector s[2] = {0}, q[2] = {0};
    for (int64_t p = 0; p < pixels; ++p) {
        const int64_t place = p * channels;
        vector gradient = load_some(upstream + place, count);
        const vector value = load_some(x + place, count);
        if (r.rectifies) gradient = read(value, &r) > 0 ? gradient : (vector)0;
        if (g) store_some(g + place, gradient, count);
        if (sums) {
            s[p % 2] += gradient;
            q[p % 2] = multiply_add(gradient, value - mean, q[p % 2]);
        }
    }
    *sum += s[0] + s[1];
    *product += q[0] + q[1];
}

static void take_gradient(
    int64_t pixels, int32_t channels, tk_reading reading, const void *value, const float *means, const void *above,
    void *to, float *sums, float *products) {
    const element *const x = value, *const upstream = above;
    element *const g = to;
    if (sums) {
        memset(sums, 0, (size_t)channels * sizeof(float));
        memset(products, 0, (size_t)channels * sizeof(float));
    }
    FOR_EACH_STRIP(pixels) {
        const int64_t strip = first * channels;
        FOR_EACH_VECTOR(channels, {
            const vector_reading r = reading_of(reading, c, count);
            vector sum = 0, product = 0;
            if (sums) {
                sum = load_some_floats(sums + c, count), product = load_some_floats(products + c, count);
                take_gradient_of(
                    end - first, channels, r, x + strip + c, load_some_floats(means + c, count), upstream + strip + c,
                    g ? g + strip + c : NULL, &sum, &product, count, true);
                store_some_floats(sums + c, sum, count);
                store_some_floats(products + c, product, count);
            } else {
                take_gradient_of(
                    end - first, channels, r, x + strip + c, sum, upstream + strip + c, g ? g + strip + c : NULL, &sum,
                    &product, count, false);
            }
        })
    }
}

static void normalize_gradient(
    const tk_image *to, const float *factors, const float *slopes, const float *offsets, const void *value,
    const void *above, void *target, int32_t images) {
    const element *x = value, *upstream = above;
    const int32_t channels = to->channels;
    for (int32_t image = 0; image < images; ++image)
        for (int32_t i = 0; i < to->height; ++i) {
            element *const row = (element *)target + image * to->image + i * to->row;
            FOR_EACH_STRIP(to->width) {
                FOR_EACH_VECTOR(channels, {
                    const vector factor = load_some_floats(factors + c, count);
                    const vector slope = load_some_floats(slopes + c, count);
                    const vector offset = load_some_floats(offsets + c, count);
                    for (int64_t p = first; p < end; ++p) {
                        const int64_t place = p * channels + c;
                        const vector rest = multiply_add(load_some(x + place, count), slope, offset);
                        const vector g = multiply_add(load_some(upstream + place, count), factor, rest);
                        store_some(row + p * to->pixel + c, g, count);
                    }
                })
            }
            if (to->pixel > channels)
                for (int32_t j = 0; j < to->width; ++j) complete_word(row + (int64_t)j * to->pixel, channels);
            x += (int64_t)to->width * channels;
            upstream += (int64_t)to->width * channels;
        }
}

#if WORD_ELEMENTS == 2
static void pair_positions(
    int64_t positions, int64_t step, int64_t pixel, int64_t distance, const void *from, float *words) {
    const element *const x = from;
    typedef uint32_t bits __attribute__((ext_vector_type(LANES)));
    for (int64_t p = 0; p < positions; p += step)
        for (int64_t c = 0; c < pixel; c += LANES) {
            const bits first = (bits)load_values(x + p * pixel + c);
            const bits second = (bits)load_values(x + (p + distance) * pixel + c);
            store(words + p * pixel + c, (vector)(first >> 16 | second));
        }
}
#endif

/// The words of one tap, for `lanes` outputs of which `outputs` are there.
static void pack_tap(
    const tk_packing *p, const float *source, int32_t channels, int32_t outputs, int32_t lanes, float *packed) {
    const int32_t words = (channels + WORD_ELEMENTS - 1) / WORD_ELEMENTS;
    for (int32_t w = 0; w < words; ++w, packed += lanes) {
        const float *const from = source + (int64_t)w * WORD_ELEMENTS * p->channel_step;
#if WORD_ELEMENTS == 1
        if (p->lane_step == 1)
            memcpy(packed, from, (size_t)outputs * sizeof(float));
        else if (p->channel_step == 1 && w + 4 <= words && outputs % 4 == 0) {
            for (int32_t l = 0; l < outputs; l += 4) transpose(from + l * p->lane_step, p->lane_step, packed + l, lanes);
            for (int32_t i = 0; i < 4; ++i)
                memset(packed + i * lanes + outputs, 0, (size_t)(lanes - outputs) * sizeof(float));
            packed += 3 * lanes;
            w += 3;
            continue;
        } else
            for (int32_t l = 0; l < outputs; ++l) packed[l] = from[l * p->lane_step];
#else
        const bool is_half = (w + 1) * WORD_ELEMENTS > channels;
        for (int32_t l = 0; l < outputs; ++l) {
            const float *const pair = from + l * p->lane_step;
            const uint32_t second = is_half ? 0 : element_of(pair[p->channel_step]);
            packed[l] = __builtin_bit_cast(float, second << 16 | element_of(pair[0]));
        }
#endif
        memset(packed + outputs, 0, (size_t)(lanes - outputs) * sizeof(float));
    }
}

static void pack_weights(const tk_packing *p, const float *weights, float *packed, int32_t from, int32_t to) {
    for (int32_t b = from; b < to; ++b) {
        const tk_block *const block = &p->blocks[b];
        const int32_t lanes = block->vectors * LANES;
        const int32_t outputs = block->outputs < lanes ? block->outputs : lanes;
        float *target = packed + block->weights;
        for (int32_t t = block->first_tap; t < block->first_tap + block->tap_count; ++t) {
            pack_tap(
                p, weights + p->sources[t] + block->first_output * p->lane_step, p->channels[t], outputs, lanes, target);
            target += (int64_t)p->taps[t].words * lanes;
        }
    }
}

/// Three loops over positions, the last one innermost.
typedef struct {
    int64_t count[3], input[3], output[3];
} positions;

#if HAS_MATRICES && WORD_ELEMENTS == 2
#include "matrix_products.h"
#else

/// E runs x M outputs, whose sums stay in registers over all positions.
FORCE_INLINE void add_products_of(
    const int E, const int M, const positions *w, const float *x, const float *dy, const tk_run *runs, int32_t outputs,
    float *gradient, int64_t output_step) {
    vector sum[6][8];
#pragma clang loop unroll(full)
    for (int e = 0; e < E; ++e)
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) sum[e][m] = 0;
    const float *source[6];
#pragma clang loop unroll(full)
    for (int e = 0; e < E; ++e) source[e] = x + runs[e].input;
    for (int64_t a = 0; a < w->count[0]; ++a)
        for (int64_t b = 0; b < w->count[1]; ++b) {
            ptrdiff_t offset = a * w->input[0] + b * w->input[1];
            const float *d = dy + a * w->output[0] + b * w->output[1];
            for (int64_t left = w->count[2]; left > 0; --left, offset += w->input[2], d += w->output[2]) {
                vector value[6];
#pragma clang loop unroll(full)
                for (int e = 0; e < E; ++e) value[e] = load(source[e] + offset);
#pragma clang loop unroll(full)
                for (int m = 0; m < M; ++m) {
                    const vector factor = all(d[m]);
#pragma clang loop unroll(full)
                    for (int e = 0; e < E; ++e) sum[e][m] = add_products(factor, value[e], sum[e][m]);
                }
            }
        }
#pragma clang loop unroll(full)
    for (int e = 0; e < E; ++e)
#pragma clang loop unroll(full)
        for (int m = 0; m < M; ++m) {
            if (m >= outputs) continue;
            float *const place = gradient + runs[e].weights + m * output_step;
            store_some_floats(place, sum[e][m] + load_some_floats(place, runs[e].count), runs[e].count);
        }
}

#define PRODUCT_ARGUMENTS \
    const positions *w, const float *x, const float *dy, const tk_run *runs, int32_t outputs, float *gradient, \
        int64_t output_step
#define DEFINE_PRODUCT(E, M) \
    static void product_##E##_##M(PRODUCT_ARGUMENTS) { \
        add_products_of(E, M, w, x, dy, runs, outputs, gradient, output_step); \
    }
PRODUCT_TILES(DEFINE_PRODUCT)

#define PRODUCT_ENTRY(E, M) [M / 4 - 1][E] = product_##E##_##M,
static void (*const product_tiles[2][7])(PRODUCT_ARGUMENTS) = {PRODUCT_TILES(PRODUCT_ENTRY)};

FORCE_INLINE void multiply_products(int32_t run_count, PRODUCT_ARGUMENTS) {
    product_tiles[outputs > 4][run_count](w, x, dy, runs, outputs, gradient, output_step);
}
#endif

static void add_weight_gradient(
    const tk_weight_gradient *g, const void *from, const void *above, float *gradient, int32_t images, int32_t first,
    int32_t last) {
    for (int32_t i = first; i < last; ++i) {
        const tk_product *const p = &g->products[i];
        const int64_t rows = p->to_row - p->from_row, columns = p->to_column - p->from_column;
        const int64_t from_column = p->from_column / (g->walks_images ? 1 : WORD_ELEMENTS);
        positions w;
        if (g->walks_images)
            w = (positions){
                {rows, columns, (images + WORD_ELEMENTS - 1) / WORD_ELEMENTS},
                {g->input_row, g->input_column, g->input_image},
                {g->output_row, g->output_column, g->output_image}};
        else
            w = (positions){
                {images, rows, (columns + WORD_ELEMENTS - 1) / WORD_ELEMENTS},
                {g->input_image, g->input_row, g->input_column},
                {g->output_image, g->output_row, g->output_column}};
        multiply_products(
            p->run_count, &w, (const float *)from + p->from_row * g->input_row + from_column * g->input_column,
            (const float *)above + p->from_row * g->output_row + from_column * g->output_column + p->first_output,
            g->runs + p->first_run, p->outputs, gradient + p->first_output * g->output_step, g->output_step);
    }
}
