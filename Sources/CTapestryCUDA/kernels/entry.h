// The kernels of one variant, as the compiler at run time is asked for them: TCU_ARITHMETIC names elements and their
// products, TCU_SHAPE the tile.
extern "C" {

// Addresses of channels that move take many registers: those kernels may have all of them.
#define TCU_BLOCK_KERNEL(NAME, BOUNDS, ...) \
    __global__ void BOUNDS NAME(const __grid_constant__ tcu_problem p) { \
        extern __shared__ __align__(16) char shared[]; \
        Block<__VA_ARGS__::Thread> block; \
        block.thread.index = threadIdx.x; \
        block.shared = shared; \
        block.x = blockIdx.x; \
        block.y = blockIdx.y; \
        __VA_ARGS__::run(block, p); \
    }

TCU_BLOCK_KERNEL(convolve, __launch_bounds__(TCU_SHAPE::threads), Convolve<TCU_ARITHMETIC, TCU_SHAPE, false>)
TCU_BLOCK_KERNEL(convolve_moved, __launch_bounds__(TCU_SHAPE::threads, 1), Convolve<TCU_ARITHMETIC, TCU_SHAPE, true>)
TCU_BLOCK_KERNEL(weigh, __launch_bounds__(TCU_SHAPE::threads), Weigh<TCU_ARITHMETIC, TCU_SHAPE, false>)
TCU_BLOCK_KERNEL(weigh_moved, __launch_bounds__(TCU_SHAPE::threads, 1), Weigh<TCU_ARITHMETIC, TCU_SHAPE, true>)

__global__ void __launch_bounds__(256) reduce(const __grid_constant__ tcu_problem p) {
    Convolve<TCU_ARITHMETIC, TCU_SHAPE, false>::reduce(p, (long long)blockIdx.x * 256 + threadIdx.x);
}

__global__ void __launch_bounds__(256) reduce_weights(const __grid_constant__ tcu_problem p) {
    Weigh<TCU_ARITHMETIC, TCU_SHAPE, false>::reduce(p, blockIdx.x, blockIdx.y * 256 + threadIdx.x);
}

__global__ void __launch_bounds__(256) move_channels(const __grid_constant__ tcu_shift p) {
    shift<TCU_ARITHMETIC>(p, (long long)blockIdx.x * 256 + threadIdx.x);
}
}
