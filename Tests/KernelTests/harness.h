// What tests of kernels have in common: the list of them, how they fail, and how numbers are compared.
#pragma once
#include <CTapestryKernels.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "random.h"

/// Whether `convolve` multiplies matrices, and adds up in an order of its own.
static inline bool is_by_matrices(const tk_kernels *k) {
    return k->matrix_words > 1 && k->element_size < (int32_t)sizeof(float);
}

/// The lists of tests: X(name), for `void test_name(const tk_kernels *, stream *)`. Each is called many times for every
/// table of kernels that the processor has, with a stream of its own; memory is checked and released after each call.
#define KERNEL_TESTS(X) \
    X(convolution) X(shared_columns) X(depthwise) X(pooling) X(global_pooling) X(sum) X(activations) X(scale) \
    X(import_export) X(move) X(flatten) X(clear_pads) \
    X(read_images) X(add_readings) X(find_moments) X(take_gradient) X(normalize_gradient) \
    X(pack_weights) X(pair_positions) X(add_weight_gradient) \
    X(pool_readings) X(spread_pool_gradient) X(add_depthwise_gradient)

/// Those of kernels that tables have where elements are floats; `split` does nothing where there are no matrices.
#define PLANE_TESTS(X) X(planes) X(sparse) X(rearrange) X(split)

#define DECLARE_TEST(name) void test_##name(const tk_kernels *, stream *);
KERNEL_TESTS(DECLARE_TEST)
PLANE_TESTS(DECLARE_TEST)
#undef DECLARE_TEST

/// Says what went wrong, where, and how to repeat it, and ends the program.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// A number in double precision and how far from it single precision may be.
typedef struct {
    double value, tolerance;
} bound;

/// The unit of rounding in single precision.
#define ROUNDING 0x1p-24

/// Of a sum of `terms` products whose absolute values add up to `magnitude`, in whichever order it is added up.
static inline bound bound_of_sum(double sum, double magnitude, int64_t terms) {
    return (bound){sum, (double)(terms + 3) * ROUNDING * 1.001 * magnitude};
}

/// What an activation makes of it.
bound activated_bound(bound, tk_activation);

static inline bool is_same(float a, float b) { return a == b || (a != a && b != b); }

bool is_within(float, bound);

#define MOST_SHARES 5

/// The shares of a step between a random number of threads, in a random order. Returns how many.
int32_t draw_shares(stream *, int32_t images, tk_share shares[MOST_SHARES]);
