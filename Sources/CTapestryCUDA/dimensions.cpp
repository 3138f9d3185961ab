#include "kernels.h"

namespace {

struct SharedBytes {
    unsigned convolve, weigh;
};

template <class A>
struct Shared {
#define TCU_SHARED(...) \
    {Convolve<A, Shape<__VA_ARGS__>, false>::shared_bytes, Weigh<A, Shape<__VA_ARGS__>, false>::shared_bytes},
    static constexpr SharedBytes of_shape[] = {TCU_SHAPES(TCU_SHARED)};
#undef TCU_SHARED
};

#define TCU_SHARED_BYTES(CONSTANT, TYPE, NAME) Shared<TYPE>::of_shape,
constexpr const SharedBytes *const shared_bytes[] = {TCU_ARITHMETICS(TCU_SHARED_BYTES)};
#undef TCU_SHARED_BYTES

unsigned blocks(long long count, int of) { return static_cast<unsigned>((count + of - 1) / of); }

}  // namespace

unsigned tcu_shared_bytes(tcu_variant variant, tcu_kernel kernel) {
    const SharedBytes bytes = shared_bytes[variant.arithmetic][variant.shape];
    switch (kernel) {
    case TCU_CONVOLVE:
    case TCU_CONVOLVE_MOVED: return bytes.convolve;
    case TCU_WEIGH:
    case TCU_WEIGH_MOVED: return bytes.weigh;
    default: return 0;
    }
}

tcu_dimensions tcu_dimensions_of(tcu_variant variant, tcu_kernel kernel, const void *problem) {
    const tcu_shape shape = tcu_shape_at(variant.shape);
    const auto threads = static_cast<unsigned>(32 * shape.warps_down * shape.warps_across);
    const int vector = tcu_vector_of(variant.arithmetic);
    const unsigned bytes = tcu_shared_bytes(variant, kernel);
    if (kernel == TCU_MOVE_CHANNELS) {
        const auto &p = *static_cast<const tcu_shift *>(problem);
        const long long vectors = static_cast<long long>(p.images) * p.out_y.value * p.out_x.value * (p.channels / vector);
        return {blocks(vectors, 256), 1, 256, 0};
    }
    const auto &p = *static_cast<const tcu_problem *>(problem);
    const auto splits = static_cast<unsigned>(p.splits);
    switch (kernel) {
    case TCU_CONVOLVE:
    case TCU_CONVOLVE_MOVED:
        return {blocks(p.positions, shape.rows) * static_cast<unsigned>(p.tile_count), splits, threads, bytes};
    case TCU_WEIGH:
    case TCU_WEIGH_MOVED: return {static_cast<unsigned>(p.patch_count), splits, threads, bytes};
    case TCU_REDUCE:
        return {blocks(static_cast<long long>(p.images) * p.out_height * p.out_width * (p.outputs / vector), 256), 1,
                256, 0};
    default:
        return {static_cast<unsigned>(p.patch_count), blocks(shape.rows / vector * shape.columns, 256), 256, 0};
    }
}
