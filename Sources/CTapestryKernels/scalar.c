#include "include/CTapestryKernels.h"

// A compiler that fuses some multiplications and additions and not others would make tiles differ.
#pragma STDC FP_CONTRACT OFF
#define SET scalar
#define SET_NAME scalar
#include "simd/scalar.h"
#include "kernels.h"
