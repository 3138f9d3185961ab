#include "include/CTapestryKernels.h"

#if defined(__aarch64__)
#define SET neon
#define SET_NAME neon
#include "simd/neon.h"
#include "kernels.h"
#endif
