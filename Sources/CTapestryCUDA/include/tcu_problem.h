// What a kernel is given: shared, as it stands, by the kernels, their emulation and those who plan for them. It needs no
// other header, for the compiler at run time has none.
#ifndef TCU_PROBLEM_H
#define TCU_PROBLEM_H

/// One vector (16 bytes) of the channels that an output sums over, at one tap: what a tap_conv entry is on the CPU.
///
/// Position (y, x) of the grid reads pixel (y * stride_y + dy, x * stride_x + dx), from `channel` on, and multiplies by
/// the weights from `weight` on in the output's row. `channel` < 0: nothing, which fills a list up to a chunk.
typedef struct tcu_step {
    int dy, dx;
    int channel;
    int weight;
} tcu_step;

enum { TCU_NOTHING = -1 };

/// Output channels that are computed together, with the steps of all of them, a multiple of TCU_CHUNK_STEPS.
///
/// A tile writes the pixels (y * phase_stride_y + phase_y, likewise x) of its positions: those of one phase of a
/// gradient of the input with strides, all of them otherwise.
typedef struct tcu_tile {
    int first_output, output_count;
    int first_step, step_count;
    int phase_y, phase_x;
} tcu_tile;

/// Steps that go through shared memory together: 64 bytes of each row.
enum { TCU_CHUNK_STEPS = 4 };

/// Rows of a tile's gradient of the weights that one block computes, from `step` of the tile's list on.
typedef struct tcu_patch {
    int tile, step;
} tcu_patch;

/// A divisor of numbers below 2^31 without a division: n / value = (high half of n * multiplier + n) >> shift.
typedef struct tcu_divisor {
    unsigned value, multiplier, shift;
} tcu_divisor;

typedef enum tcu_activation {
    TCU_IDENTITY = 0,
    TCU_RELU = 1,
    TCU_SIGMOID = 2,
    TCU_SWISH = 3,
} tcu_activation;

/// A convolution on a support, its input's gradient (a convolution too, on other taps) or its weights' gradient.
///
/// Values are channels last, and elements what the arithmetic takes (floats, or bfloat16 as 16 bits). Weights are a row
/// for each output: taps x channels of the group, those off the support zero. Rows and pixels begin at 16 bytes.
typedef struct tcu_problem {
    /// images x height x width x channels.
    const void *x;
    /// What x is multiplied by: the weights; for their gradient that of the outputs, images x grid x outputs.
    const void *w;
    /// images x out_height x out_width x outputs; for the gradient of the weights, as they are.
    void *y;
    /// y = activation(scale * sum + bias + residual): each may be null; the first two have a float for each output.
    const float *scale, *bias;
    const void *residual;
    /// With splits > 1: floats, splits x what y has, whose sum `reduce` finishes.
    float *workspace;
    const tcu_step *steps;
    const tcu_tile *tiles;
    const tcu_patch *patches;
    /// {dy, dx} for each channel of x, on top of the steps', where channels have a tap each; null elsewhere.
    const int *moves;

    int tile_count, patch_count;
    int images, height, width, channels;
    int out_height, out_width, outputs;
    /// Positions of an image (its height is grid_divisor_y's value), and of all images.
    tcu_divisor grid_y, grid_x;
    int positions;
    int stride_y, stride_x, phase_stride_y, phase_stride_x;
    /// Elements of an output's weights.
    int weight_row;
    /// Parts that the sum is cut into, and the chunks of each.
    int splits, chunks_per_split;
    int activation;
} tcu_problem;

/// Channels moved by a tap each: y[.., y, x, c] = x[.., (y * stride_y + dy[c]) / divisor_y, likewise x, c], zero where
/// that is no pixel. A divisor above 1 makes the gradient of a shift with strides.
typedef struct tcu_shift {
    const void *x;
    void *y;
    /// {dy, dx} of each channel.
    const int *moves;
    int images, height, width, channels;
    tcu_divisor out_y, out_x;
    int stride_y, stride_x, divisor_y, divisor_x;
} tcu_shift;

#endif
