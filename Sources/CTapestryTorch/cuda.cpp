#include "support.h"

#include <atomic>
#include <dlfcn.h>
#include <string>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/detail/CUDAHooksInterface.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

std::atomic<bool> loaded{false};

/// The folder of the library that libtorch's own code was loaded from, with its last slash.
std::string libtorch_folder() {
    const char *path = tapestry_library_path();
    TORCH_CHECK(path, "cannot tell where libtorch was loaded from");
    const std::string file = path;
    return file.substr(0, file.rfind('/') + 1);
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

const char *tapestry_library_path(void) noexcept {
    Dl_info info{};
    const auto address = reinterpret_cast<void *>(&at::globalContext);
    return dladdr(address, &info) ? info.dli_fname : nullptr;
}

TapestryStatus tapestry_cuda_load(void) noexcept {
    return guarded([&] {
        if (loaded) return;
        const auto path = libtorch_folder() + "libtorch_cuda.so";
        // Never closed: its static initialisers register kernels for the rest of the process.
        TORCH_CHECK(dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL), "libtorch has no CUDA here: ", dlerror());
        TORCH_CHECK(at::detail::getCUDAHooks().hasCUDA(),
                    "its library is loaded, but no device can be used (or libtorch was used before it was loaded)");
        loaded = true;
    });
}

int32_t tapestry_cuda_device_count(void) noexcept {
    // Asking libtorch before its CUDA library is loaded would make it settle for none.
    if (!loaded) return 0;
    int32_t count = 0;
    return guarded([&] { count = at::detail::getCUDAHooks().getNumGPUs(); }) == TAPESTRY_OK ? count : 0;
}

TapestryStatus tapestry_cuda_synchronize(int32_t index) noexcept {
    return guarded([&] {
        TORCH_CHECK(loaded, "CUDA is not loaded");
        at::detail::getCUDAHooks().deviceSynchronize(static_cast<c10::DeviceIndex>(index));
    });
}
