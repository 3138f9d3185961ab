#include "include/CTapestryKernels.h"

#if defined(__x86_64__)
#define SET amx_bf16
#define SET_NAME amx
#include <immintrin.h>
// Helpers must be inside of the region too: outside, they could not become parts of what is in it.
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma,amx-tile,amx-bf16"))), apply_to = function)
#include "simd/amx_bf16.h"
#include "kernels.h"
#pragma clang attribute pop
#endif
