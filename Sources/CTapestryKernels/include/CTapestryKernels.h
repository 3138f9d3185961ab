/// The arithmetic of Tapestry's own runtime: plain C, an object file for each instruction set, chosen at run time.
///
/// Nothing here allocates, fails or keeps state; whoever calls has planned what fits. Biases and sums are 32-bit
/// floats. Values consist of elements: floats as well, or their upper halves (bfloat16), to which results are rounded.
/// A word is 32 bits of a value: one element, or two neighbours, which `convolve` multiplies with a word of weights at
/// a time. Where one of the two is no number, neither is a sum that has a weight for the other one only. All other
/// weights are floats.
///
/// The order of additions for one output is the same in every kernel of a table but `convolve_sparse`,
/// `convolve_split` and `convolve` with `shares_columns`, which have their own, whatever the batch, the tile and the
/// number of threads: results are equal to the bit. Matrices add up as many words of a tap at a time as divide the words
/// of each of its block's taps.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Channels of a value are padded to a multiple of this many elements, so that vectors of them end with the pixel.
#define TK_CHANNEL_UNIT 16

/// Where the pixels of a value lie, in elements: channels last, or in planes. A vector is an image of one pixel.
///
/// Around the images or planes lie as many zeros as the taps of those who read it reach out: `row` may be longer than
/// the width, `image` or `channel` longer than the rows. Pointers to values point at the first pixel of the first
/// image.
typedef struct {
    int32_t height, width;
    /// Real channels. Those up to `pixel`, where channels are last, hold what no result depends on, except that the
    /// element that completes the last one's word is a number, which kernels see to.
    int32_t channels;
    /// From a pixel to the next: 1 in planes, otherwise the channels with padding, a multiple of TK_CHANNEL_UNIT; or
    /// without padding, of a value that is imported and that only `convolve` reads.
    int32_t pixel;
    /// From a channel (1 unless in planes), a row and an image to the next.
    int64_t channel, row, image;
} tk_image;

/// A tap on a range of input channels: output (i, j) reads input (i * stride + row, j * stride + column). Its words may
/// have one channel too many, of weight zero; all of them lie in the pixel.
typedef struct {
    int32_t row, column;
    int32_t first_channel, words;
} tk_tap;

/// Neighbouring outputs that share their taps. Their weights lie as [tap][word][vectors * lanes][elements of a word].
typedef struct {
    /// `outputs` may count padding of a pixel's last channels, up to whole vectors.
    int32_t first_output, outputs;
    /// 1 or 2.
    int32_t vectors;
    int32_t first_tap, tap_count;
    /// Where its weights begin, in floats.
    int64_t weights;
} tk_block;

/// How the positions of a convolution are walked. A line is a run of positions that are equally far apart, in the input
/// and in the output.
typedef enum {
    /// An image's rows one after the other, with pads between them computed and not stored. For stride 1 and values of
    /// one pitch.
    TK_FLAT,
    /// A row of outputs.
    TK_ROWS,
    /// One position of all images: taps outside the image are left out, so that values need no pads.
    TK_IMAGES,
} tk_walk;

/// What becomes of a sum before it is stored.
typedef enum {
    TK_IDENTITY,
    /// max(0, x).
    TK_RELU,
    /// 1 / (1 + e^-x), to some units in the last place.
    TK_SIGMOID,
    /// x / (1 + e^-x).
    TK_SWISH,
} tk_activation;

/// y = activation(bias + sum over taps and channels of weight * x + residual), a convolution on any support.
typedef struct {
    tk_image input, output;
    int32_t stride_height, stride_width;
    tk_walk walk;
    /// Whether threads share the work by blocks of outputs, so that each reads its own weights only.
    bool splits_outputs;
    /// Whether the output holds floats, whatever elements are: its distances are in elements all the same. Only without
    /// a residual, and with TK_IDENTITY or TK_RELU.
    bool stores_floats;
    /// Whether taps beside each other in the list and in a row, left to right, on the same channels, are taken word by
    /// word together: in blocks of one vector that are not multiplied as matrices. Only for stride 1 and not with
    /// TK_IMAGES. Sums are added up in another order then.
    bool shares_columns;
    tk_activation activation;
    int32_t block_count;
    const tk_block *blocks;
    const tk_tap *taps;
    const float *weights;
    /// One for each output, with two vectors' room behind the last.
    const float *bias;
} tk_convolution;

/// A tap resolved for a line, or `columns` of them that share what they read, from the leftmost on: what a tile reads.
/// Callers only provide room, for as many as a block has taps.
typedef struct {
    ptrdiff_t input, weights, words, columns;
} tk_entry;

/// One thread's share of a step: part `part` of `parts`, of values of `images` images.
typedef struct {
    int32_t images;
    int32_t part, parts;
} tk_share;

/// A convolution of each channel by itself. Weights lie as [tap][input.pixel]; the input has pads as far as taps reach.
typedef struct {
    tk_image input, output;
    int32_t stride_height, stride_width;
    tk_activation activation;
    int32_t tap_count;
    /// From the pixel at (i * stride, j * stride) to what output (i, j) reads, in elements.
    const int32_t *offsets;
    const float *weights;
    /// One for each channel, padded as a pixel is.
    const float *bias;
} tk_depthwise;

/// Four weights of an output, and where the copies have what they are multiplied with: vectors from a tile's first one.
typedef struct {
    uint16_t vectors[4];
    float weights[4];
} tk_terms;

/// A copy of planes: position p has what `shift` + `column` floats later is in the original, or zero where `column`
/// columns beside `shift` floats later are no pixels.
typedef struct {
    int32_t shift, column;
} tk_copy;

/// y = activation(bias + sum over terms of weight * x + residual) in planes of one size and pitch, stride 1. Input
/// channels lie in slices, whose terms are summed up one slice after the other.
typedef struct {
    tk_image input, output;
    tk_activation activation;
    int32_t copy_count;
    const tk_copy *copies;
    /// Vectors of positions for which copies are made at a time, the floats of a channel's copy, and where a copy
    /// begins relative to the strip's first position: a multiple of a vector, at most 0.
    int32_t strip, length, before;
    int32_t slice_count;
    /// Where the terms of each slice's outputs begin, and where the last ones end.
    const int32_t *ends;
    const tk_terms *terms;
    /// One for each output.
    const float *bias;
} tk_sparse;

/// The largest or the mean value of windows. The mean counts zeros of the padding as values.
typedef struct {
    tk_image input, output;
    int32_t kernel_height, kernel_width, stride_height, stride_width, top, left;
    bool takes_mean;
} tk_pooling;

/// Where the next `count` output channels come from: `channel` and those behind it of the pixel at so many rows and
/// columns from their own; zero outside the image, and everywhere where `channel` is negative.
typedef struct {
    int32_t count, channel, row, column;
} tk_source;

// Training. Values lie densely here, channels last, unless a tk_image says otherwise; words are as above, but in the
// gradient of weights a word is two neighbouring positions where elements are half as large.

/// How a stored value is read: x * factor + offset by channel, and max(0, that) where it rectifies. Batch norms and
/// ReLUs are applied whenever their input is read, and their results are stored nowhere.
typedef struct {
    /// One for each channel; both are NULL for what is read as it is stored.
    const float *factors, *offsets;
    bool rectifies;
} tk_reading;

/// Where the weights of a convolution's blocks come from: that of lane l and channel c of a tap lies in the parameter
/// at source + (first_output + l) * lane_step + c * channel_step, channels counted from the tap's first one. Blocks
/// count no padding as outputs; lanes without an output, and the rest of a last word, get zeros.
typedef struct {
    const tk_block *blocks;
    const tk_tap *taps;
    /// One for each tap of the list.
    const int64_t *sources;
    int64_t lane_step, channel_step;
    /// The channels of each tap, of which the last word may have one less than it could.
    const int32_t *channels;
} tk_packing;

/// Up to a vector of neighbouring weights of an output, which what neighbours in the input is multiplied with.
typedef struct {
    /// From a position's first word in the input to the run, and from an output's first weight.
    int64_t input, weights;
    int32_t count;
} tk_run;

/// Runs and neighbouring outputs whose products are summed up together, and the positions, a rectangle of the output,
/// at which all of these runs lie in the input. Where words are pairs in a row, `from_column` is even.
typedef struct {
    int32_t first_run, run_count;
    int32_t first_output, outputs;
    int32_t from_row, to_row, from_column, to_column;
} tk_product;

/// How many outputs and runs a product may have.
typedef struct {
    int32_t outputs, runs;
} tk_product_size;

/// The gradient of a convolution's weights: for each run and output the sum, over images and positions, of the input
/// times the output's gradient. Of a pair with one position, or image, too many, one of the two has a zero there, and
/// the other one a number.
typedef struct {
    /// From a position, a row and an image to the next in words of the input (strides included), and of the gradient:
    /// in the innermost direction from a word to the next.
    int64_t input_column, input_row, input_image;
    int64_t output_column, output_row, output_image;
    /// Whether the same position of all images comes first, then the next one.
    bool walks_images;
    const tk_product *products;
    const tk_run *runs;
    /// From an output's first weight to the next one's.
    int64_t output_step;
} tk_weight_gradient;

/// The kernels of one instruction set for elements of one size. Those of planes are NULL where elements are no floats.
typedef struct {
    /// The instruction set's.
    const char *name;
    /// Floats of a vector.
    int32_t lanes;
    /// Bytes of an element of a value: 4 or 2.
    int32_t element_size;
    /// The most positions of a tile of two vectors of outputs.
    int32_t most_positions;
    /// The words of 4 bytes that are multiplied in one instruction, and the most positions of a tile then; 1 word where
    /// there are vectors only.
    int32_t matrix_words, matrix_positions;
    void (*convolve)(const tk_convolution *, const void *x, const void *residual, void *y, tk_entry *room, tk_share);
    /// The same by matrices of bfloat16, where elements are floats, an even number of channels in each pixel; NULL where
    /// there are none. Both factors are split into three parts, so that results are as good as floats'. A word is two
    /// channels here; of its weights there are three parts, one behind the other for each block. `parts` is for six bytes
    /// for each float of the images and what lies around them, in whole cache lines.
    void (*convolve_split)(
        const tk_convolution *, const void *x, const void *residual, void *y, tk_entry *room, void *parts, tk_share);
    /// What `convolve` does in planes, for stride 1 and values of one size and pitch. Blocks have 4 outputs, weights lie as
    /// [tap][channel][4], `walk` means nothing. Leaves zeros around what it writes, but not before the first plane.
    void (*convolve_planes)(
        const tk_convolution *, const void *x, const void *residual, void *y, tk_entry *room, tk_share);
    /// `room` is for copies of all channels and one float more for each of a copy; it is aligned as vectors are. Of the
    /// zeros around the input it needs those above and below the planes only. What copies are made from is read whole,
    /// also before the first plane and behind the last, where it may be anything. Leaves zeros around what it writes,
    /// but not before the first plane.
    void (*convolve_sparse)(const tk_sparse *, const void *x, const void *residual, void *y, float *room, tk_share);
    void (*convolve_depthwise)(const tk_depthwise *, const void *x, void *y, tk_share);
    void (*pool)(const tk_pooling *, const void *x, void *y, tk_share);
    /// y = the mean of each channel over its image.
    void (*pool_globally)(const tk_image *input, const tk_image *output, const void *x, void *y, tk_share);
    /// y = activation(a + b), all of one layout; `b` may be NULL.
    void (*add)(const tk_image *, tk_activation, const void *a, const void *b, void *y, tk_share);
    /// y = activation(x * factor + offset) by channel.
    void (*scale)(
        const tk_image *, tk_activation, const void *x, const float *factors, const float *offsets, void *y, tk_share);
    /// y = activation(x * factor) by channel of an image; the factors are a value, whose images are `step` elements
    /// apart.
    void (*scale_channels)(
        const tk_image *, tk_activation, const void *x, const void *factors, int64_t step, void *y, tk_share);
    /// Copies images that lie densely, planar or channels last, into a value.
    void (*import_images)(const tk_image *, const float *images, bool channels_last, void *y, tk_share);
    /// Copies vectors out of a value, densely. `are_floats` says that a convolution stored floats.
    void (*export_vectors)(const tk_image *, bool are_floats, const void *x, float *vectors, tk_share);
    /// Each output channel is another one, perhaps moved, or zero. Input and output have one size; `sources` name every
    /// output channel.
    void (*move)(
        const tk_image *input, const tk_image *output, const tk_source *sources, const void *x, void *y, tk_share);
    /// An image to the vector of its elements, channel by channel.
    void (*flatten)(const tk_image *input, const tk_image *output, const void *x, void *y, tk_share);
    /// Copies a value into one of the same extents that lies otherwise: from channels last into planes, or back.
    void (*rearrange)(const tk_image *input, const tk_image *output, const void *x, void *y, tk_share);
    /// Makes zeros of all that is no pixel of a value, from `lead` elements before the first one to the end of the last
    /// image.
    void (*clear_pads)(const tk_image *, int64_t lead, void *y, tk_share);
    /// Copies dense images into others of the same extents, as they are read. Pads stay as they are.
    void (*read_images)(const tk_image *to, tk_reading, const void *x, void *y, int32_t images);
    /// y = a + b, each as it is read; `b` may be NULL.
    void (*add_readings)(
        int64_t pixels, int32_t channels, tk_reading, const void *a, tk_reading, const void *b, void *y);
    /// Each channel's mean, and the sum of the squares of what differs from it.
    void (*find_moments)(int64_t pixels, int32_t channels, const void *x, float *means, float *squares);
    /// g = upstream; of a reading that rectifies, zero where what is read is not positive. Where `sums` are asked for,
    /// the sum of g and that of g * (x - mean), by channel; otherwise `means` and `products` mean nothing. `g` may be
    /// `upstream`; or NULL, where only sums are asked for.
    void (*take_gradient)(
        int64_t pixels, int32_t channels, tk_reading, const void *x, const float *means, const void *upstream, void *g,
        float *sums, float *products);
    /// Copies a * upstream + b * x + c, by channel, of dense images into others of the same extents. Pads stay as they are.
    /// `g` may be `upstream`, if it is dense too.
    void (*normalize_gradient)(
        const tk_image *to, const float *a, const float *b, const float *c, const void *x, const void *upstream, void *g,
        int32_t images);
    /// Packs the weights of blocks `from` to `to`.
    void (*pack_weights)(const tk_packing *, const float *weights, float *packed, int32_t from, int32_t to);
    /// For every `step`-th of so many positions, `pixel` elements each, words of its own elements and of those `distance`
    /// positions later, which are all read. NULL where elements are words. Reads and writes up to a vector beyond; words of
    /// the other positions may hold anything.
    void (*pair_positions)(
        int64_t positions, int64_t step, int64_t pixel, int64_t distance, const void *x, float *words);
    /// Adds to `gradient` the products `from` to `to`. The input and the gradient of the output are read up to a vector
    /// beyond their last words.
    void (*add_weight_gradient)(
        const tk_weight_gradient *, const void *x, const void *dy, float *gradient, int32_t images, int32_t from,
        int32_t to);
    /// The largest or the mean values of windows, as `x` is read. The pooling's values have no padding of channels.
    void (*pool_readings)(const tk_pooling *, tk_reading, const void *x, void *y, int32_t images);
    /// g, of x's layout: at each place the sum of `upstream` over the windows whose largest value, the first of equals, it
    /// is; or over those whose mean it is in, by its share.
    void (*spread_pool_gradient)(
        const tk_pooling *, tk_reading, const void *x, const void *upstream, void *g, int32_t images);
    /// Adds to `gradient`, which lies as the weights do, the products of the input and the output's gradient. Channels are
    /// whole vectors; the activation, weights and bias mean nothing.
    void (*add_depthwise_gradient)(
        const tk_depthwise *, const void *x, const void *dy, float *gradient, int32_t images);
    /// The largest products, the one of fewer outputs first.
    tk_product_size product_sizes[2];
} tk_kernels;

/// The one list of tables, the best instruction set first: X(name).
#if defined(__x86_64__)
#define TK_KERNELS(X) X(amx) X(amx_bf16) X(avx512) X(avx512_bf16) X(avx2) X(scalar) X(scalar_bf16)
#elif defined(__aarch64__)
#define TK_KERNELS(X) X(neon) X(scalar) X(scalar_bf16)
#else
#define TK_KERNELS(X) X(scalar) X(scalar_bf16)
#endif

/// The number of tables in the list.
int32_t tk_kernels_count(void);

/// The table at an index of the list, and whether this processor can run its kernels.
const tk_kernels *tk_kernels_at(int32_t index);
bool tk_has_kernels(int32_t index);

/// Tells the processor that a thread waits in a loop.
static inline void tk_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
