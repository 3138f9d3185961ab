#include "tcu_api.h"

#include <iterator>

namespace {

constexpr tcu_shape shapes[] = {
#define TCU_FIELDS(...) {__VA_ARGS__},
    TCU_SHAPES(TCU_FIELDS)
#undef TCU_FIELDS
};

constexpr const char *arithmetic_names[] = {
#define TCU_NAME(CONSTANT, TYPE, NAME) NAME,
    TCU_ARITHMETICS(TCU_NAME)
#undef TCU_NAME
};

constexpr const char *kernel_names[] = {
#define TCU_NAME(CONSTANT, NAME) #NAME,
    TCU_KERNELS(TCU_NAME)
#undef TCU_NAME
};

}  // namespace

int tcu_shape_count(void) { return static_cast<int>(std::size(shapes)); }
tcu_shape tcu_shape_at(int index) { return shapes[index]; }
const char *tcu_arithmetic_name(tcu_arithmetic arithmetic) { return arithmetic_names[arithmetic]; }
int tcu_vector_of(tcu_arithmetic arithmetic) { return arithmetic == TCU_BFLOAT16 ? 8 : 4; }
const char *tcu_kernel_name(tcu_kernel kernel) { return kernel_names[kernel]; }

size_t tcu_problem_size(tcu_kernel kernel) {
    return kernel == TCU_MOVE_CHANNELS ? sizeof(tcu_shift) : sizeof(tcu_problem);
}

tcu_divisor tcu_divisor_of(unsigned value) {
    unsigned shift = 0;
    while (1ull << shift < value) ++shift;
    // One more than the quotient's fraction needs, so that rounding down is exact below 2^31 (Granlund, Montgomery 1994).
    const auto multiplier = (((1ull << shift) - value) << 32) / value + 1;
    return {value, static_cast<unsigned>(multiplier), shift};
}
