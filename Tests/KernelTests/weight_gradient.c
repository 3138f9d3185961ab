// add_weight_gradient: the gradient of the weights of any layer, over its support and no more.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"

/// How positions follow each other, as in tk_walk; and how many of them make a word.
typedef struct {
    tk_walk walk;
    int32_t together;
} order;

/// A value's words: how far apart positions lie, and the first of them.
typedef struct {
    int64_t column, row, image;
    float *first;
} words;

/// What words are made of.
typedef struct {
    extents e;
    int32_t images;
    const float *dense;
} numbers;

static float number_of(const numbers *n, int64_t image, int32_t channel, int64_t row, int64_t column) {
    const extents e = n->e;
    return n->dense[((image * e.channels + channel) * e.height + row) * e.width + column];
}

/// Words of images that follow each other, with zeros around, that `distance` positions make that are so far apart.
static words make_words_by_image(
    stream *r, const numbers *n, pads around, int32_t together, int32_t distance, int32_t lanes) {
    const int64_t step = n->e.channels + (one_in(r, 2) ? 0 : between(r, 1, 3));
    const int64_t pitch = n->e.width + around.columns, lead = around.rows * pitch + around.columns;
    const int64_t positions = (n->e.height + around.rows) * pitch + (one_in(r, 2) ? 0 : between(r, 1, 3));
    const int64_t count = lead + n->images * positions;
    // Up to a vector is read behind the last word.
    float *start = guarded_floats(count * step - (step - n->e.channels) + lanes);
    words w = {step, pitch * step, positions * step, start + lead * step};
    for (int64_t p = -lead; p < count - lead; ++p)
        for (int32_t c = 0; c < n->e.channels; ++c) {
            float pair[2] = {0, 0};
            for (int32_t i = 0; i < together; ++i) {
                const int64_t place = p + i * distance, in_image = place % positions;
                if (place < 0 || place >= n->images * positions || in_image / pitch >= n->e.height
                    || in_image % pitch >= n->e.width)
                    continue;
                pair[i] = number_of(n, place / positions, c, in_image / pitch, in_image % pitch);
            }
            w.first[p * step + c] = word_of(together, pair);
        }
    return w;
}

/// Words in which the same position of all images lies together. Beside the last image's number lies `rest`.
static words make_words_by_position(stream *r, const numbers *n, int32_t together, float rest, int32_t lanes) {
    const int64_t step = n->e.channels + (one_in(r, 2) ? 0 : between(r, 1, 3));
    const int64_t column = step * (n->images + between(r, 0, 2)), row = column * n->e.width;
    const int64_t last_position = (n->e.height - 1) * row + (n->e.width - 1) * column;
    const int64_t last = last_position + (n->images - 1) / together * together * step;
    words w = {column, row, step, guarded_floats(last + n->e.channels + lanes)};
    for (int32_t image = 0; image < n->images; image += together)
        for (int32_t i = 0; i < n->e.height; ++i)
            for (int32_t j = 0; j < n->e.width; ++j)
                for (int32_t c = 0; c < n->e.channels; ++c) {
                    float pair[2] = {number_of(n, image, c, i, j), rest};
                    if (together == 2 && image + 1 < n->images) pair[1] = number_of(n, image + 1, c, i, j);
                    w.first[i * row + j * column + image * step + c] = word_of(together, pair);
                }
    return w;
}

/// What becomes a tk_weight_gradient, while its lengths are not known.
typedef struct {
    const tk_kernels *kernels;
    const layer *layer;
    order order;
    words x;
    /// The rows and columns of positions: of a layer that is walked flat, one row.
    int32_t rows, columns;
    tk_product *products;
    tk_run *runs;
    int32_t product_count, run_count;
} draft;

/// Neighbours in the input and in the gradient. Where runs are joined they continue the last one, up to a vector.
static void append_run(draft *d, bool joins, tk_run run) {
    tk_run *last = &d->runs[d->run_count - 1];
    if (joins && last->input + last->count == run.input && last->weights + last->count == run.weights
        && last->count + run.count <= d->kernels->lanes)
        last->count += run.count;
    else d->runs[d->run_count++] = run;
}

/// The runs of a group's tap. Those from `first` on are of the same positions.
static void append_runs(draft *d, stream *r, int32_t group, int32_t tap, int32_t first) {
    const layer *l = d->layer;
    const int32_t channels = l->input.channels;
    const bool *has_weight = l->support + (int64_t)(group * tap_count(l) + tap) * channels;
    const bool joins = one_in(r, 2);
    const int64_t row = tap / l->kernel_width * l->dilation_height - l->top;
    const int64_t column = tap % l->kernel_width * l->dilation_width - l->left;
    for (int32_t from = 0, to; from < channels; from = to) {
        to = from + 1;
        if (!has_weight[from]) continue;
        while (to < channels && has_weight[to] && to - from < d->kernels->lanes && !one_in(r, 16)) ++to;
        const tk_run run = {row * d->x.row + column * d->x.column + from, (int64_t)tap * channels + from, to - from};
        append_run(d, joins && d->run_count > first, run);
    }
}

typedef struct {
    int32_t from, to;
} span;

/// The products of a group's runs from `first` on at these positions, a few runs and a few outputs in each.
static void append_products(draft *d, stream *r, int32_t group, int32_t first, span rows, span columns) {
    if (rows.from == rows.to || columns.from == columns.to) return;
    for (int32_t output = d->layer->groups[group]; output < d->layer->groups[group + 1];) {
        const int32_t left = d->layer->groups[group + 1] - output;
        const tk_product_size *const sizes = d->kernels->product_sizes;
        const int32_t outputs = between(r, 1, left < sizes[1].outputs ? left : sizes[1].outputs);
        const int32_t most = sizes[outputs > sizes[0].outputs].runs;
        for (int32_t run = first; run < d->run_count;) {
            const int32_t others = d->run_count - run, runs = between(r, 1, others < most ? others : most);
            d->products = realloc(d->products, (size_t)(d->product_count + 1) * sizeof *d->products);
            if (!d->products) fail("there is no memory for the test");
            d->products[d->product_count++] =
                (tk_product){run, runs, output, outputs, rows.from, rows.to, columns.from, columns.to};
            run += runs;
        }
        output += outputs;
    }
}

/// The same, at times in quarters of the positions. Words are not cut.
static void append_quarters(draft *d, stream *r, int32_t group, int32_t first, span rows, span columns) {
    const int32_t unit = d->order.walk == TK_IMAGES ? 1 : d->order.together;
    const int32_t row = one_in(r, 3) ? between(r, rows.from, rows.to) : rows.to;
    const int32_t column = one_in(r, 3) ? between(r, columns.from, columns.to) / unit * unit : columns.to;
    append_products(d, r, group, first, (span){rows.from, row}, (span){columns.from, column});
    append_products(d, r, group, first, (span){rows.from, row}, (span){column, columns.to});
    append_products(d, r, group, first, (span){row, rows.to}, (span){columns.from, column});
    append_products(d, r, group, first, (span){row, rows.to}, (span){column, columns.to});
}

/// The outputs of which a tap so far from their windows' begin reads inside of the image.
static span outputs_inside(int32_t outputs, int32_t stride, int32_t offset, int32_t length) {
    span s = {0, outputs};
    while (s.from < s.to && s.from * stride + offset < 0) ++s.from;
    while (s.from < s.to && (s.to - 1) * stride + offset >= length) --s.to;
    return s;
}

static void append_group(draft *d, stream *r, int32_t group) {
    const layer *l = d->layer;
    const int32_t first = d->run_count;
    for (int32_t t = 0; t < tap_count(l); ++t) {
        const int32_t own = d->run_count;
        append_runs(d, r, group, t, d->order.walk == TK_IMAGES ? own : first);
        if (d->order.walk != TK_IMAGES) continue;
        // There is nothing around the images.
        const int32_t row = t / l->kernel_width * l->dilation_height - l->top;
        const int32_t column = t % l->kernel_width * l->dilation_width - l->left;
        append_quarters(
            d, r, group, own, outputs_inside(l->output.height, l->stride_height, row, l->input.height),
            outputs_inside(l->output.width, l->stride_width, column, l->input.width));
    }
    if (d->order.walk != TK_IMAGES)
        append_quarters(d, r, group, first, (span){0, d->rows}, (span){0, d->columns});
}

static order draw_order(stream *r, const tk_kernels *k, const layer *l) {
    const bool can_be_flat = l->stride_height == 1 && l->stride_width == 1;
    const tk_walk walk = (tk_walk)between(r, can_be_flat ? TK_FLAT : TK_ROWS, TK_IMAGES);
    return (order){walk, (int32_t)sizeof(float) / k->element_size};
}

/// Lays out the input and the gradient of the output, and lists all products.
static draft draw_products(stream *r, const tk_kernels *k, const layer *l, const float *gradients, words *dy) {
    draft d = {
        .kernels = k, .layer = l, .order = draw_order(r, k, l), .rows = l->output.height, .columns = l->output.width};
    const numbers input = {l->input, l->images, l->x}, output = {l->output, l->images, gradients};
    const int32_t together = d.order.together;
    if (d.order.walk == TK_IMAGES) {
        // One factor of the last word's products may be any number.
        const bool has_rest = one_in(r, 2);
        d.x = make_words_by_position(r, &input, together, has_rest ? 100 : 0, k->lanes);
        *dy = make_words_by_position(r, &output, together, has_rest ? 0 : 100, k->lanes);
    } else {
        pads around = reach_of(l), around_output = {between(r, 0, 1), between(r, 0, 1)};
        around.rows += between(r, 0, 1), around.columns += between(r, 0, 1);
        // Words of two positions end with a zero.
        if (together == 2 && l->output.width % 2 != 0 && around_output.columns == 0) ++around_output.columns;
        if (d.order.walk == TK_FLAT) {
            const int32_t least = l->input.width + around.columns, other = l->output.width + around_output.columns;
            const int32_t pitch = least > other ? least : other;
            around.columns = pitch - l->input.width, around_output.columns = pitch - l->output.width;
            d.columns += (l->output.height - 1) * pitch, d.rows = 1;
        }
        d.x = make_words_by_image(r, &input, around, together, l->stride_width, k->lanes);
        *dy = make_words_by_image(r, &output, around_output, together, 1, k->lanes);
    }
    d.runs = malloc((size_t)((int64_t)l->group_count * tap_count(l) * l->input.channels) * sizeof *d.runs);
    if (!d.runs) fail("there is no memory for the test");
    for (int32_t group = 0; group < l->group_count; ++group) append_group(&d, r, group);
    return d;
}

/// Adds the gradient of the weights to what is there, from one output to the next `step` floats later.
static void add_reference(const layer *l, const float *gradients, bound *sums, int64_t step) {
    const extents in = l->input, out = l->output;
    const int64_t area = out.height * out.width;
    for (int32_t o = 0, group = 0; o < out.channels; ++o) {
        if (o == l->groups[group + 1]) ++group;
        for (int32_t k = 0; k < tap_count(l) * in.channels; ++k) {
            if (!l->support[(int64_t)group * tap_count(l) * in.channels + k]) continue;
            const int32_t t = k / in.channels, c = k % in.channels;
            bound *const b = &sums[o * step + k];
            double sum = b->value, magnitude = fabs(sum);
            for (int64_t p = 0; p < l->images * area; ++p) {
                const int64_t n = p / area, i = p % area / out.width, j = p % out.width;
                const int64_t row = i * l->stride_height + t / l->kernel_width * l->dilation_height - l->top;
                const int64_t column = j * l->stride_width + t % l->kernel_width * l->dilation_width - l->left;
                if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
                const double product = (double)l->x[((n * in.channels + c) * in.height + row) * in.width + column]
                    * (double)gradients[(n * out.channels + o) * area + p % area];
                sum += product;
                magnitude += fabs(product);
            }
            // The sums of up to four quarters are added to what is there.
            *b = bound_of_sum(sum, magnitude, l->images * area + 4);
        }
    }
}

/// Adds all products in any order to what is there.
static void run_products(
    const tk_kernels *k, stream *r, const layer *l, const float *gradients, float *sums, int64_t step) {
    words dy;
    draft d = draw_products(r, k, l, gradients, &dy);
    const bool walks_images = d.order.walk == TK_IMAGES;
    const int32_t of_images = walks_images ? d.order.together : 1, of_columns = walks_images ? 1 : d.order.together;
    const tk_weight_gradient g = {
        .input_column = d.x.column * l->stride_width * of_columns, .input_row = d.x.row * l->stride_height,
        .input_image = d.x.image * of_images, .output_column = dy.column * of_columns, .output_row = dy.row,
        .output_image = dy.image * of_images, .walks_images = walks_images,
        .products = moved_to_guarded(d.products, (size_t)d.product_count * sizeof *d.products),
        .runs = moved_to_guarded(d.runs, (size_t)d.run_count * sizeof *d.runs), .output_step = step};
    tk_share shares[MOST_SHARES];
    const int32_t parts = draw_shares(r, l->images, shares);
    for (int32_t p = 0; p < parts; ++p) {
        const int32_t from = d.product_count * shares[p].part / parts;
        const int32_t to = d.product_count * (shares[p].part + 1) / parts;
        k->add_weight_gradient(&g, d.x.first, dy.first, sums, l->images, from, to);
    }
}

void test_add_weight_gradient(const tk_kernels *k, stream *r) {
    layer l = draw_layer(r, k->element_size, ANY_LAYER);
    // Drawn anew: what is no number would spoil sums through the zeros around the gradient.
    l.x = random_elements(r, k->element_size, l.images * count_of(l.input));
    const float *gradients = random_elements(r, k->element_size, l.images * count_of(l.output));
    const int64_t of_output = (int64_t)tap_count(&l) * l.input.channels;
    const int64_t step = of_output + (one_in(r, 2) ? 0 : between(r, 1, 20));
    const int64_t count = (l.output.channels - 1) * step + of_output;
    // What is there, which stays where there is no weight.
    float *sums = random_floats(r, count);
    bound *expected = guarded((size_t)count * sizeof *expected);
    for (int64_t i = 0; i < count; ++i) expected[i] = (bound){(double)sums[i], 0};
    add_reference(&l, gradients, expected, step);
    run_products(k, r, &l, gradients, sums, step);
    expect_within("gradient", sums, expected, count);
}
