// Every kernel of one instruction set. The includer has defined SET, the set's name, and included its vectors.
#pragma once
#include "simd/common.h"

#include "depthwise.h"
#include "elementwise.h"
#include "planes.h"
#include "pooling.h"
#include "sparse.h"
#include "tap_conv.h"

#define JOINED(a, b) a##b
#define TABLE(set) JOINED(tk_kernels_of_, set)
#define TEXT_OF(set) #set
#define TEXT(set) TEXT_OF(set)

extern const tk_kernels TABLE(SET);

const tk_kernels TABLE(SET) = {
    .name = TEXT(SET),
    .lanes = LANES,
    .most_positions = MOST_POSITIONS_2,
    .convolve = convolve,
    .convolve_planes = convolve_planes,
    .convolve_sparse = convolve_sparse,
    .convolve_depthwise = convolve_depthwise,
    .pool = pool,
    .pool_globally = pool_globally,
    .add = add,
    .scale = scale,
};
