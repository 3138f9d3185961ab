#include "include/CTapestryKernels.h"

// As in scalar.c.
#pragma STDC FP_CONTRACT OFF
#define SET scalar_bf16
#define SET_NAME scalar
#include "simd/scalar_bf16.h"
#include "kernels.h"
