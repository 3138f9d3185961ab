#include "nccl_backend.h"
#include "processes.h"

#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <unistd.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/detail/CUDAHooksInterface.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

MakeNCCLBackend make_backend = nullptr;

/// The library beside the running program, or the one that TAPESTRY_NCCL names.
std::string nccl_library() {
    if (const char *named = std::getenv("TAPESTRY_NCCL"); named && *named) return named;
    char program[4096];
    const auto length = readlink("/proc/self/exe", program, sizeof program);
    const std::string path(program, length > 0 ? static_cast<size_t>(length) : 0);
    return path.substr(0, path.rfind('/') + 1) + "libtapestry-nccl.so";
}

void *symbol(void *library, const char *name) {
    auto *found = dlsym(library, name);
    TORCH_CHECK(found, nccl_library(), " has no ", name);
    return found;
}

}  // namespace

void add_nccl(TapestryProcessGroup &joined, const c10::intrusive_ptr<c10d::Store> &store, at::Device device,
              std::chrono::milliseconds timeout) {
    TORCH_CHECK(make_backend, "NCCL is not loaded");
    auto &group = *joined.group;
    c10::intrusive_ptr<c10d::Backend> backend;
    make_backend(store, group.getRank(), group.getSize(), timeout, backend);
    group.setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, backend);
    joined.device = device;
    // Connections are made by the first collective: here, where to fail is not to have come.
    all_reduce(group, at::zeros({1}, at::TensorOptions(device)), c10d::ReduceOp::SUM);
    finish_sending(joined);
}

void finish_sending(const TapestryProcessGroup &joined) {
    if (joined.device.is_cpu()) return;
    at::detail::getCUDAHooks().deviceSynchronize(joined.device.index());
    const auto error = joined.group->getBackend(at::kCUDA)->getError();
    if (error == c10d::ErrorType::SUCCESS) return;
    TORCH_CHECK_WITH(DistBackendError, false,
                     error == c10d::ErrorType::TIMEOUT ? "NCCL timed out" : "NCCL lost a connection");
}

}  // namespace tapestry

using namespace tapestry;

TapestryProcessGroup::~TapestryProcessGroup() {
    if (device.is_cpu()) return;
    // All that was asked for has arrived, or never will: not to be waited for.
    (void)guarded([&] { group->getBackend(at::kCUDA)->abort(); });
}

const char *tapestry_nccl_library_path(void) noexcept {
    thread_local std::string path;
    path = nccl_library();
    return path.c_str();
}

TapestryStatus tapestry_nccl_load(void) noexcept {
    return guarded([&] {
        if (make_backend) return;
        auto *library = dlopen(nccl_library().c_str(), RTLD_NOW | RTLD_LOCAL);
        TORCH_CHECK(library, dlerror());
        using Version = const char *(*)();
        const std::string version = reinterpret_cast<Version>(symbol(library, nccl_version_name))();
        TORCH_CHECK(version == tapestry_version_compiled(), nccl_library(), " was built with libtorch ", version);
        make_backend = reinterpret_cast<MakeNCCLBackend>(symbol(library, nccl_backend_name));
    });
}
