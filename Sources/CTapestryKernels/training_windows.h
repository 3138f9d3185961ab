// What training does with windows over each channel: the largest values, or means, as they are read, and gradients.
#pragma once

/// A vector of channels of a window's largest value, as it is read. `x` is the image's.
FORCE_INLINE vector largest_of(
    const element *x, const tk_image *image, const window *w, const vector_reading *r, const int32_t count) {
    vector most = read(load_some(x + w->from_row * image->row + w->from * image->pixel, count), r);
    for (int64_t row = w->from_row; row < w->to_row; ++row)
        for (int64_t column = w->from; column < w->to; ++column)
            most = largest(most, read(load_some(x + row * image->row + column * image->pixel, count), r));
    return most;
}

/// The same of its mean.
FORCE_INLINE vector mean_of(
    const element *x, const tk_image *image, const window *w, const vector_reading *r, vector area,
    const int32_t count) {
    vector sum = 0;
    for (int64_t row = w->from_row; row < w->to_row; ++row)
        for (int64_t column = w->from; column < w->to; ++column)
            sum += read(load_some(x + row * image->row + column * image->pixel, count), r);
    return sum / area;
}

static void pool_readings(const tk_pooling *p, tk_reading reading, const void *from, void *to, int32_t images) {
    const vector area = all((float)p->kernel_height * p->kernel_width);
    for (int64_t image = 0; image < images; ++image) {
        const element *const x = (const element *)from + image * p->input.image;
        element *const y = (element *)to + image * p->output.image;
        for (int32_t i = 0; i < p->output.height; ++i)
            FOR_EACH_VECTOR(p->input.channels, {
                const vector_reading r = reading_of(reading, c, count);
                for (int32_t j = 0; j < p->output.width; ++j) {
                    const window w = window_at(p, i, j);
                    const vector value = p->takes_mean ? mean_of(x + c, &p->input, &w, &r, area, count)
                                                       : largest_of(x + c, &p->input, &w, &r, count);
                    store_some(y + i * p->output.row + (int64_t)j * p->output.pixel + c, value, count);
                }
            })
    }
}

/// Adds to the gradient of the first of a window's largest values. Not-a-number is larger than everything.
FORCE_INLINE void add_to_largest(
    const element *x, const tk_image *image, const window *w, const vector_reading *r, vector upstream, element *g,
    const int32_t count) {
    const vector most = largest_of(x, image, w, r, count);
    integers open = (integers)0 - 1;
    for (int64_t row = w->from_row; row < w->to_row; ++row)
        for (int64_t column = w->from; column < w->to; ++column) {
            const int64_t place = row * image->row + column * image->pixel;
            const vector value = read(load_some(x + place, count), r);
            const integers here = ((value == most) | (value != value)) & open;
            open &= ~here;
            const vector own = load_some(g + place, count);
            store_some(g + place, here ? own + upstream : own, count);
        }
}

/// Adds to the gradient of each of a window's values.
FORCE_INLINE void add_to_all(
    const tk_image *image, const window *w, vector upstream, element *g, const int32_t count) {
    for (int64_t row = w->from_row; row < w->to_row; ++row)
        for (int64_t column = w->from; column < w->to; ++column) {
            element *const place = g + row * image->row + column * image->pixel;
            store_some(place, load_some(place, count) + upstream, count);
        }
}

static void spread_pool_gradient(
    const tk_pooling *p, tk_reading reading, const void *from, const void *above, void *to, int32_t images) {
    const vector area = all((float)p->kernel_height * p->kernel_width);
    for (int64_t image = 0; image < images; ++image) {
        const element *const x = (const element *)from + image * p->input.image;
        const element *const upstream = (const element *)above + image * p->output.image;
        element *const g = (element *)to + image * p->input.image;
        for (int32_t i = 0; i < p->input.height; ++i)
            for (int32_t j = 0; j < p->input.width; ++j)
                clear(g + i * p->input.row + (int64_t)j * p->input.pixel, p->input.channels);
        for (int32_t i = 0; i < p->output.height; ++i)
            FOR_EACH_VECTOR(p->input.channels, {
                const vector_reading r = reading_of(reading, c, count);
                for (int32_t j = 0; j < p->output.width; ++j) {
                    const window w = window_at(p, i, j);
                    const element *const own = upstream + i * p->output.row + (int64_t)j * p->output.pixel + c;
                    const vector gradient = load_some(own, count);
                    if (p->takes_mean) add_to_all(&p->input, &w, gradient / area, g + c, count);
                    else add_to_largest(x + c, &p->input, &w, &r, gradient, g + c, count);
                }
            })
    }
}

/// Some taps and one vector of channels of one image, whose sums stay in registers.
FORCE_INLINE void add_depthwise_products(
    const tk_depthwise *d, const int E, const int32_t *offsets, const element *x, const element *dy, float *gradient) {
    const ptrdiff_t step = (ptrdiff_t)d->input.pixel * d->stride_width;
    vector sum[9];
#pragma clang loop unroll(full)
    for (int e = 0; e < E; ++e) sum[e] = 0;
    for (int32_t i = 0; i < d->output.height; ++i) {
        const element *source = x + (ptrdiff_t)i * d->stride_height * d->input.row;
        const element *upstream = dy + i * d->output.row;
        for (int32_t j = 0; j < d->output.width; ++j, source += step, upstream += d->output.pixel) {
            const vector factor = load_values(upstream);
#pragma clang loop unroll(full)
            for (int e = 0; e < E; ++e) sum[e] = multiply_add(load_values(source + offsets[e]), factor, sum[e]);
        }
    }
#pragma clang loop unroll(full)
    for (int e = 0; e < E; ++e) {
        float *const place = gradient + (ptrdiff_t)e * d->input.pixel;
        store(place, load(place) + sum[e]);
    }
}

#define DEPTHWISE_PRODUCTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define DEFINE_DEPTHWISE_PRODUCT(E) \
    static void depthwise_products_##E( \
        const tk_depthwise *d, const int32_t *offsets, const element *x, const element *dy, float *gradient) { \
        add_depthwise_products(d, E, offsets, x, dy, gradient); \
    }
DEPTHWISE_PRODUCTS(DEFINE_DEPTHWISE_PRODUCT)

#define DEPTHWISE_PRODUCT_ENTRY(E) [E] = depthwise_products_##E,
static void (*const depthwise_products[])(
    const tk_depthwise *, const int32_t *, const element *, const element *, float *) = {
    DEPTHWISE_PRODUCTS(DEPTHWISE_PRODUCT_ENTRY)};

static void add_depthwise_gradient(
    const tk_depthwise *d, const void *from, const void *above, float *gradient, int32_t images) {
    // Nearly equal shares of the taps, as few as registers allow.
    const int32_t shares = (d->tap_count + 8) / 9;
    for (int32_t image = 0; image < images; ++image) {
        const element *const x = (const element *)from + image * d->input.image;
        const element *const dy = (const element *)above + image * d->output.image;
        for (int32_t c = 0; c < d->input.pixel; c += LANES)
            for (int32_t share = 0; share < shares; ++share) {
                const int32_t first = d->tap_count * share / shares, end = d->tap_count * (share + 1) / shares;
                depthwise_products[end - first](
                    d, d->offsets + first, x + c, dy + c, gradient + (ptrdiff_t)first * d->input.pixel + c);
            }
    }
}
