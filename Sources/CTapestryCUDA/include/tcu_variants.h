// Which kernels there are: one list each for the compiler at run time, the emulation, the tests and those who choose.
#ifndef TCU_VARIANTS_H
#define TCU_VARIANTS_H

/// The tiles that kernels are compiled for: X(ROWS, COLUMNS, WARPS_DOWN, WARPS_ACROSS). Rows are positions in
/// convolutions, and channels of the steps in gradients of weights; columns are outputs.
#define TCU_SHAPES(X) \
    X(128, 128, 2, 4) \
    X(128, 64, 2, 2) \
    X(64, 32, 4, 1) \
    X(128, 16, 4, 1)

/// Elements and their products: X(CONSTANT, TYPE IN THE SOURCE, NAME).
#define TCU_ARITHMETICS(X) \
    X(TCU_FLOAT32, Float32, "fp32") \
    X(TCU_TF32, TensorFloat32, "tf32") \
    X(TCU_BFLOAT16, Bfloat16, "bf16")

/// X(CONSTANT, NAME IN THE SOURCE).
#define TCU_KERNELS(X) \
    X(TCU_CONVOLVE, convolve) \
    X(TCU_CONVOLVE_MOVED, convolve_moved) \
    X(TCU_WEIGH, weigh) \
    X(TCU_WEIGH_MOVED, weigh_moved) \
    X(TCU_REDUCE, reduce) \
    X(TCU_REDUCE_WEIGHTS, reduce_weights) \
    X(TCU_MOVE_CHANNELS, move_channels)

#endif
