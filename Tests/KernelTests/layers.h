// Random convolutions on random supports, the results that they should have, and their form for kernels.
#pragma once
#include "values.h"

/// A convolution as a network has it: dense, and a support for each group of neighbouring outputs.
typedef struct {
    int32_t images;
    extents input, output;
    int32_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width, top, left;
    tk_activation activation;
    /// Whether results are floats, whatever elements are.
    bool stores_floats;
    /// Where the groups of outputs that share a support begin, and behind the last one the number of outputs.
    int32_t *groups;
    int32_t group_count;
    /// Whether there is a weight: [group][tap][channel].
    bool *support;
    /// [output][tap][channel], and for each output.
    float *weights, *bias;
    /// Whether floats are split into parts, of which products are added up.
    bool is_split;
    /// Dense; `residual`, of the output's extents, may be NULL.
    float *x, *residual;
} layer;

/// Which layers are drawn.
typedef enum {
    ANY_LAYER,
    /// Those that are computed in planes: stride 1, the output of the input's size, groups of whole fours of outputs.
    LAYER_OF_PLANES,
    /// Those of an even number of channels, which may be split.
    SPLIT_LAYER,
    /// Those of single weights: the same with groups of any outputs, mostly few.
    SPARSE_LAYER,
} layer_kind;

/// One whose numbers elements of so many bytes can hold, but for the bias.
layer draw_layer(stream *, int32_t element_size, layer_kind);

static inline int32_t tap_count(const layer *l) { return l->kernel_height * l->kernel_width; }

/// The rows and columns of zeros that taps reach.
pads reach_of(const layer *);

/// The same layer on one of its images.
layer image_of(const layer *, int32_t image);

/// Every result in double precision, densely, and how far off it may be where the output has elements of so many bytes.
bound *reference(const layer *, int32_t element_size);

/// A layer as kernels take it.
typedef struct {
    tk_convolution convolution;
    /// Room for as many entries as a block may have.
    tk_entry *room;
} packed_layer;

/// Cuts the outputs into random blocks, and the taps' words into random ranges. `walk` is left to the caller.
packed_layer pack(const tk_kernels *, const layer *, stream *, const tk_image *input, const tk_image *output);

/// Runs the layer by `convolve`, on a random walk, in random blocks and shares; checks that nothing but the output was
/// touched, and gives back the results, densely.
float *run_convolution(const tk_kernels *, stream *, const layer *);
