#include "include/CTapestryKernels.h"

#if defined(__x86_64__)
#define SET avx512_bf16
#define SET_NAME avx512
#include <immintrin.h>
// Helpers must be inside of the region too: outside, they could not become parts of what is in it.
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma"))), apply_to = function)
#include "simd/avx512_bf16.h"
#include "kernels.h"
#pragma clang attribute pop
#endif
