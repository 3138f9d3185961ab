#include "kernels.h"

#include <cstdio>

namespace {

using namespace tcu_emulation;

template <class Kernel>
void run_blocks(const tcu_problem &problem, const tcu_dimensions &dimensions) {
    std::vector<Vector> shared(Kernel::shared_bytes / 16);
    for (unsigned y = 0; y < dimensions.grid_y; ++y) {
        for (unsigned x = 0; x < dimensions.grid_x; ++x) {
            // What nobody wrote is no number.
            std::memset(shared.data(), 0xff, shared.size() * 16);
            Block<typename Kernel::Thread> block(Kernel::threads);
            block.shared = reinterpret_cast<char *>(shared.data());
            block.x = static_cast<int>(x);
            block.y = static_cast<int>(y);
            Kernel::run(block, problem);
        }
    }
}

/// Calls `body` with the number of each thread of a grid of blocks of 256.
template <class Body>
void run_threads(const tcu_dimensions &dimensions, Body &&body) {
    for (unsigned x = 0; x < dimensions.grid_x; ++x) {
        for (unsigned y = 0; y < dimensions.grid_y; ++y) {
            for (unsigned i = 0; i < dimensions.threads; ++i) body(x, y, i);
        }
    }
}

template <class A, class S>
void run(tcu_kernel kernel, const void *problem, const tcu_dimensions &dimensions) {
    const auto &p = *static_cast<const tcu_problem *>(problem);
    switch (kernel) {
    case TCU_CONVOLVE: return run_blocks<Convolve<A, S, false>>(p, dimensions);
    case TCU_CONVOLVE_MOVED: return run_blocks<Convolve<A, S, true>>(p, dimensions);
    case TCU_WEIGH: return run_blocks<Weigh<A, S, false>>(p, dimensions);
    case TCU_WEIGH_MOVED: return run_blocks<Weigh<A, S, true>>(p, dimensions);
    case TCU_REDUCE:
        return run_threads(dimensions, [&](unsigned x, unsigned, unsigned i) {
            Convolve<A, S, false>::reduce(p, static_cast<long long>(x) * 256 + i);
        });
    case TCU_REDUCE_WEIGHTS:
        return run_threads(dimensions, [&](unsigned x, unsigned y, unsigned i) {
            Weigh<A, S, false>::reduce(p, static_cast<int>(x), static_cast<int>(y * 256 + i));
        });
    case TCU_MOVE_CHANNELS:
        return run_threads(dimensions, [&](unsigned x, unsigned, unsigned i) {
            shift<A>(*static_cast<const tcu_shift *>(problem), static_cast<long long>(x) * 256 + i);
        });
    case TCU_KERNEL_COUNT: return;
    }
}

using Runner = void (*)(tcu_kernel, const void *, const tcu_dimensions &);

template <class A>
struct Runners {
#define TCU_RUNNER(...) run<A, Shape<__VA_ARGS__>>,
    static constexpr Runner of_shape[] = {TCU_SHAPES(TCU_RUNNER)};
#undef TCU_RUNNER
};

#define TCU_RUNNERS(CONSTANT, TYPE, NAME) Runners<TYPE>::of_shape,
constexpr const Runner *const runners[] = {TCU_ARITHMETICS(TCU_RUNNERS)};
#undef TCU_RUNNERS

Range range(const void *begin, long long elements, int vector) {
    const auto *first = static_cast<const char *>(begin);
    return {first, first + elements * (16 / vector)};
}

}  // namespace

bool tcu_emulate(tcu_variant variant, tcu_kernel kernel, const void *problem, tcu_schedule schedule, char *message,
                 size_t size) {
    Machine current{};
    current.schedule = schedule;
    if (kernel != TCU_MOVE_CHANNELS) {
        const auto &p = *static_cast<const tcu_problem *>(problem);
        const int vector = tcu_vector_of(variant.arithmetic);
        const bool weighs = kernel == TCU_WEIGH || kernel == TCU_WEIGH_MOVED;
        current.readable[0] = range(p.x, static_cast<long long>(p.images) * p.height * p.width * p.channels, vector);
        const long long terms = weighs ? static_cast<long long>(p.positions) : p.weight_row;
        current.readable[1] = range(p.w, terms * p.outputs, vector);
    }
    machine = &current;
    runners[variant.arithmetic][variant.shape](kernel, problem, tcu_dimensions_of(variant, kernel, problem));
    machine = nullptr;
    if (current.complaint.empty()) return true;
    std::snprintf(message, size, "%s", current.complaint.c_str());
    return false;
}
