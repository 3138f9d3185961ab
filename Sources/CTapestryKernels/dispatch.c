#define _GNU_SOURCE
#include "include/CTapestryKernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define DECLARE(set) extern const tk_kernels tk_kernels_of_##set;
TK_KERNELS(DECLARE)

#if defined(__x86_64__)
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
static bool has_avx512_bf16(void) {
    return has_avx512() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512bf16");
}
/// Linux lets a process use tiles that asks for them once; it refuses where the processor or itself has none.
static bool has_amx_bf16(void) {
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, LEAF = 7, BF16 = 1 << 22, TILE = 1 << 24 };
    unsigned a, b, c, d;
    return has_avx512_bf16() && __get_cpuid_count(LEAF, 0, &a, &b, &c, &d) && (d & BF16) && (d & TILE)
        && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}
static bool has_amx(void) { return has_amx_bf16(); }
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#elif defined(__aarch64__)
// Every processor of this architecture has it.
static bool has_neon(void) { return true; }
#endif
static bool has_scalar(void) { return true; }
static bool has_scalar_bf16(void) { return true; }

static const struct {
    const tk_kernels *kernels;
    bool (*is_supported)(void);
} sets[] = {
#define LIST(set) {&tk_kernels_of_##set, has_##set},
    TK_KERNELS(LIST)};

int32_t tk_kernels_count(void) { return (int32_t)(sizeof sets / sizeof *sets); }

const tk_kernels *tk_kernels_at(int32_t index) { return sets[index].kernels; }

bool tk_has_kernels(int32_t index) { return sets[index].is_supported(); }
