/// Tapestry's own CUDA kernels among libtorch's operators, and what measuring them takes. Part of CTapestryTorch.h,
/// whose laws hold here too.
#ifndef CTAPESTRYTORCH_KERNELS_H
#define CTAPESTRYTORCH_KERNELS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// A convolution by Tapestry's kernels for images of one number and size, with its tables on a device.
typedef struct TapestryKernelPlan TapestryKernelPlan;

/// `description` is a tcu_convolution of CTapestryCUDA, which this header does not know. `*made` is released once with
/// `tapestry_kernels_release`; it keeps a pointer to the description's module.
TapestryStatus tapestry_kernels_plan(const void *description, TapestryDevice device, TapestryKernelPlan *_Nullable *_Nonnull made) TAPESTRY_NOEXCEPT;
/// Steps of a graph of gradients that still need the plan keep it.
void tapestry_kernels_release(TapestryKernelPlan *plan) TAPESTRY_NOEXCEPT;

/// The convolution of N x C x H x W images with a dense O x C/groups x KH x KW kernel that is zero off the support, and a
/// bias or none. Gradients flow to all three; that of the kernel is right on the support and anything else off it.
/// Elements become what the plan's arithmetic takes. `*y`: a new reference, channels last.
TapestryStatus tapestry_kernels_convolve(const TapestryKernelPlan *plan, TapestryTensor *x, TapestryTensor *kernel,
                                         TapestryTensor *_Nullable bias,
                                         TapestryTensor *_Nullable *_Nonnull y) TAPESTRY_NOEXCEPT;

/// Whether autocast, or x itself, asks for convolutions in bfloat16.
bool tapestry_kernels_use_bfloat16(TapestryTensor *x) TAPESTRY_NOEXCEPT;

/// Whether float32 convolutions and products of matrices on CUDA may round their factors to TF32. libtorch
/// itself lets convolutions do so until it is told otherwise.
bool tapestry_tf32(void) TAPESTRY_NOEXCEPT;
TapestryStatus tapestry_set_tf32(bool allowed) TAPESTRY_NOEXCEPT;

// Measuring ------------------------------------------------------------------------------------------------------

/// Gives work to the device; false on failure.
typedef bool (*TapestryWork)(void *_Nullable context);

/// Work recorded once, and given to the device whole as often as wished.
typedef struct TapestryGraph TapestryGraph;

/// Records what `work` gives to a device, on a stream of its own; memory that it takes stays the graph's.
TapestryStatus tapestry_graph_record(int32_t device, TapestryWork work, void *_Nullable context,
                                     TapestryGraph *_Nullable *_Nonnull recorded) TAPESTRY_NOEXCEPT;
TapestryStatus tapestry_graph_replay(const TapestryGraph *graph) TAPESTRY_NOEXCEPT;
void tapestry_graph_release(TapestryGraph *graph) TAPESTRY_NOEXCEPT;

/// The milliseconds that a device takes from before to after `work`, by its own events on the current stream. Waits.
TapestryStatus tapestry_cuda_time(int32_t device, TapestryWork work, void *_Nullable context,
                                  double *milliseconds) TAPESTRY_NOEXCEPT;

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif

#endif
