// What the shim and the library `libtapestry-nccl.so` agree on. NCCL's class is in libtorch's CUDA library and its header
// needs CUDA's: so what makes one is a library by itself, built where both are (Scripts/nccl-backend) and loaded when
// processes share a run on GPUs, and the shim is the same everywhere.
#pragma once

#include <chrono>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#pragma clang diagnostic pop

namespace tapestry {

/// Makes c10d's backend for tensors on GPUs. Throws what c10d throws.
using MakeNCCLBackend = void (*)(const c10::intrusive_ptr<c10d::Store> &store, int rank, int size,
                                 std::chrono::milliseconds timeout, c10::intrusive_ptr<c10d::Backend> &made);

/// The names in the library: of a `MakeNCCLBackend`, and of the version of the libtorch that it was compiled with, a
/// function without arguments that returns text.
constexpr const char *nccl_backend_name = "tapestry_make_nccl_backend";
constexpr const char *nccl_version_name = "tapestry_nccl_libtorch_version";

}  // namespace tapestry
