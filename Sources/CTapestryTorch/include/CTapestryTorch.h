/// The C face of libtorch: everything Tapestry asks of it, and the only place that knows its C++.
///
/// Laws
/// 1. No function throws. One that can fail returns a `TapestryStatus`; when that is not TAPESTRY_OK, its outputs are
///    as they were before the call and `tapestry_last_message` tells why.
/// 2. The message belongs to the calling thread and lives until that thread's next call into this header: read it at
///    once. It is text from outside (libtorch's, with file names in it): never use it as a format string.
/// 3. A pointer given out is a "new reference", which the caller releases once with `tapestry_tensor_release`, or
///    "borrowed", which the callee keeps. A pointer passed in is always borrowed, for the length of the call.
/// 4. A tensor may be used from any thread, but by one thread at a time. Grad mode and autocast are states of the
///    calling thread.
/// 5. A pointer marked _Nullable may be null; any other may not, unless the count beside it is zero.
/// 6. Nothing here names a version of libtorch: this target alone is rebuilt against another one, whose version the
///    two functions under "Versions" compare. Nor does anything here name a device at build time: the same code serves
///    CPU and CUDA, whose library is looked for at run time.
#ifndef CTAPESTRYTORCH_H
#define CTAPESTRYTORCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
#define TAPESTRY_NOEXCEPT noexcept
extern "C" {
#else
#define TAPESTRY_NOEXCEPT
#endif
#pragma clang assume_nonnull begin

/// A counted reference to a libtorch tensor.
typedef struct TapestryTensor TapestryTensor;
/// An operator of libtorch's dispatcher; found once, valid until the process ends, usable from any thread.
typedef struct TapestryOperator TapestryOperator;

typedef enum TapestryStatus : int32_t {
    TAPESTRY_OK = 0,
    TAPESTRY_FAILED = 1,
    /// Another process of the group has ended, hangs, or cannot be reached.
    TAPESTRY_PEER_LOST = 2,
} TapestryStatus;

/// Why this thread's latest failing call failed. Borrowed, UTF-8, perhaps several lines.
const char *tapestry_last_message(void) TAPESTRY_NOEXCEPT;

// Element types, devices and layouts -----------------------------------------------------------------------------

typedef enum TapestryDataType : int32_t {
    TAPESTRY_FLOAT32 = 0,
    TAPESTRY_FLOAT64 = 1,
    TAPESTRY_FLOAT16 = 2,
    TAPESTRY_BFLOAT16 = 3,
    TAPESTRY_INT64 = 4,
    TAPESTRY_INT32 = 5,
    TAPESTRY_UINT8 = 6,
    TAPESTRY_BOOL = 7,
    /// A type that libtorch has and Tapestry does not; never an input.
    TAPESTRY_OTHER_TYPE = 8,
} TapestryDataType;

typedef enum TapestryDeviceKind : int32_t {
    TAPESTRY_CPU = 0,
    TAPESTRY_CUDA = 1,
} TapestryDeviceKind;

typedef struct TapestryDevice {
    TapestryDeviceKind kind;
    /// 0 for the CPU.
    int32_t index;
} TapestryDevice;

typedef enum TapestryMemoryFormat : int32_t {
    TAPESTRY_CONTIGUOUS = 0,
    /// As the tensor it is made from.
    TAPESTRY_PRESERVE = 1,
    /// NHWC in memory, NCHW in shape; rank 4.
    TAPESTRY_CHANNELS_LAST = 2,
} TapestryMemoryFormat;

// Operators ------------------------------------------------------------------------------------------------------

typedef enum TapestryArgumentKind : int32_t {
    /// The schema's default for this argument.
    TAPESTRY_OMITTED = 0,
    /// No value, for an optional argument.
    TAPESTRY_NONE = 1,
    /// `pointer` is a TapestryTensor.
    TAPESTRY_TENSOR = 2,
    /// `integer`, for an integer or a scalar.
    TAPESTRY_INTEGER = 3,
    /// `real`, for a double or a scalar.
    TAPESTRY_REAL = 4,
    /// `integer`, 0 or 1.
    TAPESTRY_BOOLEAN = 5,
    /// `pointer` is `count` chars of UTF-8; for a string, or a device such as "cuda:0".
    TAPESTRY_STRING = 6,
    /// `integer` is a TapestryDataType.
    TAPESTRY_DATA_TYPE = 7,
    /// `integer` is a TapestryMemoryFormat.
    TAPESTRY_MEMORY_FORMAT = 8,
    /// `pointer` is `count` int64_t, for a list of integers, or of booleans (0 or 1).
    TAPESTRY_INTEGERS = 9,
    /// `pointer` is `count` doubles.
    TAPESTRY_REALS = 10,
    /// `pointer` is `count` pointers to tensors.
    TAPESTRY_TENSORS = 11,
} TapestryArgumentKind;

typedef struct TapestryArgument {
    TapestryArgumentKind kind;
    int64_t integer;
    double real;
    const void *_Nullable pointer;
    int64_t count;
} TapestryArgument;

/// Takes one output of a call, a new reference.
typedef void (*TapestryReceiver)(void *_Nullable context, TapestryTensor *output);

/// Finds the operator `name` ("aten::convolution"), overload `overload` ("" for none). `*found`: borrowed.
/// Fails on an unknown name and on an operator that returns anything but tensors and lists of tensors.
TapestryStatus tapestry_operator_find(const char *name, const char *overload,
                                      const TapestryOperator *_Nullable *_Nonnull found) TAPESTRY_NOEXCEPT;

/// Calls `callee` with `count` arguments in the order of its schema; those after the last take the schema's defaults.
/// Once the operator has succeeded, `receive` gets its outputs in order (a list one by one); it must not throw.
/// An operator that writes its arguments may have written some of them when it fails.
TapestryStatus tapestry_operator_call(const TapestryOperator *callee, const TapestryArgument *_Nullable arguments,
                                      int64_t count, TapestryReceiver receive,
                                      void *_Nullable context) TAPESTRY_NOEXCEPT;

// Tensors --------------------------------------------------------------------------------------------------------

/// A tensor of `shape` with a copy of `byte_count` bytes at `host`, elements of type `host_type` at `strides` (counted
/// in elements; row-major when null), converted to `type`. `*made`: a new reference.
/// Fails when the elements do not lie within the bytes.
TapestryStatus tapestry_tensor_from_host(const void *_Nullable host, int64_t byte_count, TapestryDataType host_type,
                                         const int64_t *_Nullable shape, const int64_t *_Nullable strides, int32_t rank,
                                         TapestryDataType type, TapestryDevice device, TapestryMemoryFormat format,
                                         TapestryTensor *_Nullable *_Nonnull made) TAPESTRY_NOEXCEPT;

/// Copies all elements, row-major, as `host_type`, to `host`. Fails unless they fill `byte_count` exactly.
TapestryStatus tapestry_tensor_to_host(TapestryTensor *tensor, TapestryDataType host_type, void *_Nullable host,
                                       int64_t byte_count) TAPESTRY_NOEXCEPT;

/// `*moved`: a new reference to the tensor on another device, of another type or layout; it shares the memory of
/// `tensor` where nothing changes.
TapestryStatus tapestry_tensor_to(TapestryTensor *tensor, TapestryDevice device, TapestryDataType type,
                                  TapestryMemoryFormat format,
                                  TapestryTensor *_Nullable *_Nonnull moved) TAPESTRY_NOEXCEPT;

/// Takes one more reference, to be given back as well.
void tapestry_tensor_retain(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
/// Gives one reference back.
void tapestry_tensor_release(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
/// References given out by this header and not released yet, over all threads.
int64_t tapestry_tensor_live_count(void) TAPESTRY_NOEXCEPT;

int32_t tapestry_tensor_rank(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
/// Writes `tapestry_tensor_rank` extents.
void tapestry_tensor_shape(TapestryTensor *tensor, int64_t *extents) TAPESTRY_NOEXCEPT;
TapestryDataType tapestry_tensor_data_type(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
TapestryDevice tapestry_tensor_device(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
/// Where its first element lies, for as long as the tensor does; on the device.
void *_Nullable tapestry_tensor_data(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
bool tapestry_tensor_is_contiguous(TapestryTensor *tensor, TapestryMemoryFormat format) TAPESTRY_NOEXCEPT;

// Gradients ------------------------------------------------------------------------------------------------------

bool tapestry_tensor_requires_grad(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
TapestryStatus tapestry_tensor_set_requires_grad(TapestryTensor *tensor, bool required) TAPESTRY_NOEXCEPT;
/// A new reference, or null where there is no gradient.
TapestryTensor *_Nullable tapestry_tensor_grad(TapestryTensor *tensor) TAPESTRY_NOEXCEPT;
/// Puts `grad` in place of the gradient; null removes it.
TapestryStatus tapestry_tensor_set_grad(TapestryTensor *tensor, TapestryTensor *_Nullable grad) TAPESTRY_NOEXCEPT;
/// Adds the gradients of `root` to those of its leaves. `upstream` has the shape of `root`; null stands for 1, and
/// needs a scalar.
TapestryStatus tapestry_tensor_backward(TapestryTensor *root, TapestryTensor *_Nullable upstream,
                                        bool retain_graph) TAPESTRY_NOEXCEPT;

/// A step of the graph of gradients that is computed outside of libtorch.
typedef struct TapestryFunction {
    /// Valid for ever.
    const char *name;
    /// Puts new references to the gradients of the inputs into `gradients`, null for those that need none, from those of
    /// the outputs, `upstream`: new references as well, null for those that nothing depends on. Where it fails, its
    /// message is that of its thread's latest failing call here.
    TapestryStatus (*backward)(void *context, TapestryTensor *_Nullable const *_Nonnull upstream,
                               int64_t upstream_count, TapestryTensor *_Nullable *_Nonnull gradients,
                               int64_t gradient_count);
    /// Called once, when `backward` cannot be called any more: after it, unless the graph is retained.
    void (*release)(void *context);
    void *_Nullable context;
} TapestryFunction;

/// Records that `outputs`, of which none has a history, were computed from `inputs` by `function`, whose context it takes
/// over, also where it fails. Where gradients are disabled or no input needs one, it only releases the context.
TapestryStatus tapestry_function_record(TapestryFunction function, TapestryTensor *_Nonnull const *_Nonnull inputs,
                                        int64_t input_count, TapestryTensor *_Nonnull const *_Nonnull outputs,
                                        int64_t output_count) TAPESTRY_NOEXCEPT;

bool tapestry_grad_enabled(void) TAPESTRY_NOEXCEPT;
void tapestry_set_grad_enabled(bool enabled) TAPESTRY_NOEXCEPT;

// Autocast -------------------------------------------------------------------------------------------------------

/// What autocast was for a kind of device before it was entered.
typedef struct TapestryAutocast {
    TapestryDeviceKind kind;
    bool enabled;
    TapestryDataType type;
} TapestryAutocast;

/// Runs the operators that gain by it in `type` until `tapestry_autocast_exit(*previous)` on the same thread.
TapestryStatus tapestry_autocast_enter(TapestryDeviceKind kind, TapestryDataType type,
                                       TapestryAutocast *previous) TAPESTRY_NOEXCEPT;
/// Whether operators run in bfloat16 on the kind of device.
bool tapestry_autocast_is_bfloat16(TapestryDeviceKind kind) TAPESTRY_NOEXCEPT;
/// Leaving the outermost one drops the cache of weights cast in it.
void tapestry_autocast_exit(TapestryAutocast previous) TAPESTRY_NOEXCEPT;

// The process ----------------------------------------------------------------------------------------------------

/// Seeds libtorch's generators, of every device.
TapestryStatus tapestry_set_seed(uint64_t seed) TAPESTRY_NOEXCEPT;
/// Makes an operator with no deterministic implementation fail rather than vary, and chooses no kernel by timing.
TapestryStatus tapestry_set_deterministic(bool deterministic) TAPESTRY_NOEXCEPT;
bool tapestry_deterministic(void) TAPESTRY_NOEXCEPT;

/// Threads within an operator.
int32_t tapestry_threads(void) TAPESTRY_NOEXCEPT;
TapestryStatus tapestry_set_threads(int32_t count) TAPESTRY_NOEXCEPT;
/// Threads that run operators side by side; can be set once, before they start.
int32_t tapestry_interop_threads(void) TAPESTRY_NOEXCEPT;
TapestryStatus tapestry_set_interop_threads(int32_t count) TAPESTRY_NOEXCEPT;

// Versions: "2.9.1" and the like, borrowed for ever.
/// The libtorch whose headers this was compiled with.
const char *tapestry_version_compiled(void) TAPESTRY_NOEXCEPT;
/// The libtorch that the process has loaded, as that library itself says; "" when it does not say.
const char *tapestry_version_loaded(void) TAPESTRY_NOEXCEPT;

/// The file that libtorch's own code was loaded from, borrowed for ever; null if that cannot be told.
const char *_Nullable tapestry_library_path(void) TAPESTRY_NOEXCEPT;

// CUDA: its library is loaded on request, and libtorch looks for it once, at its first use. Load it first of all.
/// Loads the CUDA library that lies beside the loaded libtorch. Fails when there is none or it cannot be loaded.
TapestryStatus tapestry_cuda_load(void) TAPESTRY_NOEXCEPT;
/// Devices that can be used; 0 before `tapestry_cuda_load`.
int32_t tapestry_cuda_device_count(void) TAPESTRY_NOEXCEPT;
/// Waits until all work given to the device is done.
TapestryStatus tapestry_cuda_synchronize(int32_t index) TAPESTRY_NOEXCEPT;

// Groups of processes --------------------------------------------------------------------------------------------
//
// Every process of a group makes the same calls of this part in the same order; each waits for the others, no longer
// than the group's timeout. Any of them may end with TAPESTRY_PEER_LOST, after which the group is of no more use.

/// A process's place among those that compute together. A counted object of c10d's.
typedef struct TapestryProcessGroup TapestryProcessGroup;
/// c10d's Reducer: it averages gradients over a group while the backward pass goes on.
typedef struct TapestryReducer TapestryReducer;

/// Where processes find one another, and what each is.
typedef struct TapestryMeeting {
    /// Where the store is by which they exchange addresses.
    const char *host;
    uint16_t port;
    /// Whether this process is the one that keeps the store.
    bool serves;
    /// Put before the store's keys, for a store that has served others before.
    const char *prefix;
    int32_t rank;
    int32_t size;
    int64_t timeout_milliseconds;
    /// Whether processes on one machine add up in memory that they share; in all processes alike.
    bool shares_memory;
    /// Where this one computes. A CUDA device, for which NCCL is loaded, is no other process's.
    TapestryDevice device;
} TapestryMeeting;

/// Loads the library by which groups on CUDA devices reach NCCL. Fails where there is none, or one that does not fit; load
/// CUDA first.
TapestryStatus tapestry_nccl_load(void) TAPESTRY_NOEXCEPT;
/// Where that library is looked for: what the environment's TAPESTRY_NCCL names, or libtapestry-nccl.so beside the running
/// program. Borrowed until the thread's next call.
const char *tapestry_nccl_library_path(void) TAPESTRY_NOEXCEPT;

typedef enum TapestryReduction : int32_t {
    TAPESTRY_SUM = 0,
    TAPESTRY_MINIMUM = 1,
} TapestryReduction;

/// Meets the others. Gloo sends tensors on the CPU, through the network interfaces that the environment's
/// GLOO_SOCKET_IFNAME names or the one by which `host` is reached, but for sums where all processes are on one machine;
/// NCCL sends those on the CUDA device. `*joined`: to be released once with `tapestry_process_group_release`.
TapestryStatus tapestry_process_group_join(const TapestryMeeting *meeting,
                                           TapestryProcessGroup *_Nullable *_Nonnull joined) TAPESTRY_NOEXCEPT;
void tapestry_process_group_release(TapestryProcessGroup *group) TAPESTRY_NOEXCEPT;
/// Why tensors on the CPU are added up by the network; empty where in shared memory. Borrowed from the group.
const char *tapestry_process_group_why_by_network(const TapestryProcessGroup *group) TAPESTRY_NOEXCEPT;

/// Writes the sum, or the minimum, of the processes' tensors into each of them: the same bits everywhere.
TapestryStatus tapestry_process_group_all_reduce(TapestryProcessGroup *group, TapestryTensor *tensor,
                                                 TapestryReduction operation) TAPESTRY_NOEXCEPT;
/// Writes the tensor of rank `root` into those of all others, which have its shape and type.
TapestryStatus tapestry_process_group_broadcast(TapestryProcessGroup *group, TapestryTensor *tensor,
                                                int32_t root) TAPESTRY_NOEXCEPT;

/// A reducer of the gradients of `count` parameters, in the same order in all processes. Gradients are sent in buckets
/// of so many bytes. `*made`: to be released once with `tapestry_reducer_release`, before the group.
TapestryStatus tapestry_reducer_make(TapestryProcessGroup *group,
                                     TapestryTensor *_Nonnull const *_Nullable parameters, int64_t count,
                                     int64_t first_bucket_bytes, int64_t bucket_bytes,
                                     TapestryReducer *_Nullable *_Nonnull made) TAPESTRY_NOEXCEPT;
void tapestry_reducer_release(TapestryReducer *reducer) TAPESTRY_NOEXCEPT;
/// `tapestry_tensor_backward` of a scalar, after which every parameter's gradient is the mean of the processes'. Each
/// parameter takes part in the loss; none has a gradient before.
TapestryStatus tapestry_reducer_backward(TapestryReducer *reducer, TapestryTensor *loss) TAPESTRY_NOEXCEPT;

/// As aten::batch_norm in training, of rank 2 or 4, with the mean and the variance of the images of all processes, of
/// which some may have none. `*normalized`: a new reference.
TapestryStatus tapestry_synchronized_batch_norm(TapestryProcessGroup *group, TapestryTensor *x, TapestryTensor *weight,
                                                TapestryTensor *bias, TapestryTensor *running_mean,
                                                TapestryTensor *running_variance, double momentum, double epsilon,
                                                TapestryTensor *_Nullable *_Nonnull normalized) TAPESTRY_NOEXCEPT;

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif

#include "CTapestryTorchKernels.h"
#endif
