// Every kernel of one instruction set, for values of one precision. The includer has defined SET, the table's name, and
// SET_NAME, the instruction set's, and included its vectors.
#pragma once
#include "simd/common.h"

#include "layout.h"

#include "depthwise.h"
#include "elementwise.h"
#include "pooling.h"
#include "tap_conv.h"
#include "training.h"
#include "training_windows.h"
#if WORD_ELEMENTS == 1
#include "planes.h"
#include "sparse.h"
#endif

#define JOINED(a, b) a##b
#define TABLE(set) JOINED(tk_kernels_of_, set)
#define TEXT_OF(set) #set
#define TEXT(set) TEXT_OF(set)

extern const tk_kernels TABLE(SET);

const tk_kernels TABLE(SET) = {
    .name = TEXT(SET_NAME),
    .lanes = LANES,
    .element_size = sizeof(element),
#if HAS_MATRICES
    .matrix_words = MATRIX_WORDS,
    .matrix_positions = MOST_MATRIX_POSITIONS_2,
#else
    .matrix_words = 1,
#endif
#if HAS_MATRICES && WORD_ELEMENTS == 2
    .most_positions = MOST_MATRIX_POSITIONS_2,
    .product_sizes = {{MATRIX_ROWS, MATRIX_PRODUCT_RUNS}, {MATRIX_ROWS, MATRIX_PRODUCT_RUNS}},
#else
    .most_positions = MOST_POSITIONS_2,
    .product_sizes = {{4, MOST_RUNS_4}, {8, MOST_RUNS_8}},
#endif
#if HAS_MATRICES && WORD_ELEMENTS == 1
    .convolve_split = convolve_split,
#endif
    .convolve = convolve,
    .convolve_depthwise = convolve_depthwise,
#if WORD_ELEMENTS == 1
    .convolve_planes = convolve_planes,
    .convolve_sparse = convolve_sparse,
    .rearrange = rearrange,
#else
    .pair_positions = pair_positions,
#endif
    .pool = pool,
    .pool_globally = pool_globally,
    .add = add,
    .scale = scale,
    .scale_channels = scale_channels,
    .import_images = import_images,
    .export_vectors = export_vectors,
    .move = move,
    .flatten = flatten,
    .clear_pads = clear_pads,
    .read_images = read_images,
    .add_readings = add_readings,
    .find_moments = find_moments,
    .take_gradient = take_gradient,
    .normalize_gradient = normalize_gradient,
    .pack_weights = pack_weights,
    .add_weight_gradient = add_weight_gradient,
    .pool_readings = pool_readings,
    .spread_pool_gradient = spread_pool_gradient,
    .add_depthwise_gradient = add_depthwise_gradient,
};
