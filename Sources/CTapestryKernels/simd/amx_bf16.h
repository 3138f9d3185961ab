// Vectors as without AMX, and matrices of words beside them.
#pragma once
#include "avx512_bf16.h"

#define HAS_MATRICES 1
// A product has up to 6 runs and 16 outputs: a register for the sums of each run, one for either factor.
#define MATRIX_PRODUCT_RUNS 6
