#include "include/CTapestryKernels.h"

#if defined(__x86_64__)
#define SET avx2
#define SET_NAME avx2
#include <immintrin.h>
// Helpers must be inside of the region too: outside, they could not become parts of what is in it.
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "simd/avx2.h"
#include "kernels.h"
#pragma clang attribute pop
#endif
