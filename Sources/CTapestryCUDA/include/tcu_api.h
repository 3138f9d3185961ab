/// Kernels for convolutions on a support on NVIDIA's GPUs: their text, the compiler that makes them into machine code
/// when the program runs, the driver that runs them, and an emulation that runs them anywhere.
///
/// Laws
/// 1. Nothing of CUDA is needed to build: compiler and driver are looked for when they are asked for.
/// 2. A function that can fail returns false, or null, and leaves why in `message`, one line of at most its `size`.
/// 3. Everything may be called from any thread; one object by one thread at a time.
#ifndef TCU_API_H
#define TCU_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcu_problem.h"
#include "tcu_variants.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TCU_CONSTANT(CONSTANT, ...) CONSTANT,
typedef enum tcu_arithmetic { TCU_ARITHMETICS(TCU_CONSTANT) TCU_ARITHMETIC_COUNT } tcu_arithmetic;
typedef enum tcu_kernel { TCU_KERNELS(TCU_CONSTANT) TCU_KERNEL_COUNT } tcu_kernel;
#undef TCU_CONSTANT

typedef struct tcu_shape {
    int rows, columns, warps_down, warps_across;
} tcu_shape;

/// A module's worth of kernels: the `shape`-th of TCU_SHAPES.
typedef struct tcu_variant {
    tcu_arithmetic arithmetic;
    int shape;
} tcu_variant;

int tcu_shape_count(void);
tcu_shape tcu_shape_at(int index);
const char *tcu_arithmetic_name(tcu_arithmetic arithmetic);
/// Elements of a vector of 16 bytes.
int tcu_vector_of(tcu_arithmetic arithmetic);
const char *tcu_kernel_name(tcu_kernel kernel);

tcu_divisor tcu_divisor_of(unsigned value);

/// What `kernel` reads: a tcu_shift for TCU_MOVE_CHANNELS, a tcu_problem for any other.
size_t tcu_problem_size(tcu_kernel kernel);

/// The shared memory that a block of a kernel takes.
unsigned tcu_shared_bytes(tcu_variant variant, tcu_kernel kernel);

typedef struct tcu_dimensions {
    unsigned grid_x, grid_y, threads, shared_bytes;
} tcu_dimensions;

/// The blocks that solve a problem, and what each takes.
tcu_dimensions tcu_dimensions_of(tcu_variant variant, tcu_kernel kernel, const void *problem);

// The text -------------------------------------------------------------------------------------------------------

/// The kernels' text for all variants. Never freed.
const char *tcu_source(void);
/// The two definitions that make a variant of it, "-DTCU_ARITHMETIC=Bfloat16", into texts of at least 64 bytes.
void tcu_definitions(tcu_variant variant, char *arithmetic, char *shape);

// The emulation --------------------------------------------------------------------------------------------------

/// What the GPU leaves open, taken to either extreme.
typedef enum tcu_schedule {
    /// Copies arrive at once; threads run in order.
    TCU_EARLY = 0,
    /// Copies arrive when they are waited for; threads run in reverse order.
    TCU_LATE = 1,
} tcu_schedule;

/// Runs all blocks and threads of a kernel on the host, on memory of the host.
///
/// Fails when a copy would read outside x or the second factor, or at an address that is no multiple of 16.
bool tcu_emulate(tcu_variant variant, tcu_kernel kernel, const void *problem, tcu_schedule schedule, char *message,
                 size_t size);

// The compiler at run time (NVRTC) ---------------------------------------------------------------------------------

typedef struct tcu_compiler tcu_compiler;

/// Loads the compiler's library; never unloaded.
tcu_compiler *tcu_compiler_open(const char *library, char *message, size_t size);
void tcu_compiler_version(const tcu_compiler *compiler, int *major, int *minor);

/// What came of a compilation: machine code, and what the compiler said, "" where it was content.
typedef struct tcu_binary {
    uint8_t *bytes;
    size_t count;
    char *log;
} tcu_binary;

/// Compiles `source` with `options`. `binary->log` is set even on failure. Free with `tcu_binary_free` either way.
bool tcu_compile(const tcu_compiler *compiler, const char *source, const char *const *options, int option_count,
                 tcu_binary *binary, char *message, size_t size);
void tcu_binary_free(tcu_binary *binary);

// The driver -----------------------------------------------------------------------------------------------------

typedef struct tcu_driver tcu_driver;
typedef struct tcu_module tcu_module;

/// Loads and starts the driver ("libcuda.so.1"). The one driver of the process; never unloaded.
tcu_driver *tcu_driver_open(const char *library, char *message, size_t size);
/// The CUDA version that the driver supports: 1000 * major + 10 * minor.
int tcu_driver_version(const tcu_driver *driver);
int tcu_driver_device_count(const tcu_driver *driver);

typedef struct tcu_device {
    char name[256];
    int major, minor, processors;
    size_t memory;
} tcu_device;

bool tcu_driver_device(const tcu_driver *driver, int index, tcu_device *device, char *message, size_t size);

/// Loads a variant's machine code on a device, in the context that libtorch uses too. Free with `tcu_module_free`.
tcu_module *tcu_module_load(const tcu_driver *driver, int device, const uint8_t *binary, tcu_variant variant,
                            char *message, size_t size);
void tcu_module_free(tcu_module *module);
tcu_variant tcu_module_variant(const tcu_module *module);

/// Puts a kernel on a stream (a CUstream) of the module's device.
bool tcu_launch(const tcu_module *module, tcu_kernel kernel, const void *problem, void *stream, char *message,
                size_t size);

// A whole convolution ---------------------------------------------------------------------------------------------

/// The lists that a pass reads.
typedef struct tcu_tables {
    const tcu_step *steps;
    int64_t step_count;
    const tcu_tile *tiles;
    int64_t tile_count;
} tcu_tables;

/// What a plan is made of: see `ConvolutionPlan` in TapestryCUDA, which makes it. Addresses in problems are ignored.
typedef struct tcu_convolution {
    /// Null for the host, where kernels are emulated.
    const tcu_module *module;
    tcu_variant variant;
    int32_t groups;
    tcu_problem forward, input_gradient, weight_gradient;
    tcu_tables forward_tables, input_gradient_tables;
    const tcu_patch *patches;
    int64_t patch_count;
    /// Two numbers for each input channel, where channels are moved; else null.
    const int32_t *moves;
    const int32_t *return_moves;
    tcu_shift return_shift;
} tcu_convolution;

#ifdef __cplusplus
}
#endif

#endif
