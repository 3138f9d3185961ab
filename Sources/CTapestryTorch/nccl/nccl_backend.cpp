// The whole of libtapestry-nccl.so: see nccl_backend.h. Scripts/nccl-backend compiles it, not SwiftPM.
#define USE_C10D_NCCL
#ifndef NDEBUG
#define NDEBUG
#endif

#include "../nccl_backend.h"

#include <cstdlib>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/headeronly/version.h>
#pragma clang diagnostic pop

namespace {

using c10d::ProcessGroupNCCL;

/// How c10d's watchdog treats a collective that fails or is late. What the user's environment says goes before.
void choose_error_handling() {
    // It aborts the communicator, which ends the kernels that wait for a lost peer, and leaves the process alive (2), which
    // then says what was lost. By default it would end the process, in the midst of whatever it does.
    setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2", /*overwrite=*/0);
    // At once: not after a minute's wait for traces to be written.
    setenv("TORCH_NCCL_DUMP_ON_TIMEOUT", "0", /*overwrite=*/0);
    setenv("TORCH_NCCL_WAIT_TIMEOUT_DUMP_MILSEC", "100", /*overwrite=*/0);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const char *tapestry_nccl_libtorch_version() {
    return TORCH_VERSION;
}

extern "C" __attribute__((visibility("default"))) void tapestry_make_nccl_backend(
    const c10::intrusive_ptr<c10d::Store> &store, int rank, int size, std::chrono::milliseconds timeout,
    c10::intrusive_ptr<c10d::Backend> &made) {
    choose_error_handling();
    auto settings = ProcessGroupNCCL::Options::create();
    settings->timeout = timeout;
    made = c10::make_intrusive<ProcessGroupNCCL>(store, rank, size, settings);
}

// That these are what the shim looks for.
static_assert(std::is_same_v<decltype(&tapestry_make_nccl_backend), tapestry::MakeNCCLBackend>);
