#include "support.h"

#include <cstdlib>
#include <dlfcn.h>
#include <string>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/csrc/api/include/torch/version.h>
#endif
#pragma clang diagnostic pop

namespace tapestry {

namespace {

/// The version as the library's own number has it: a byte each of major, minor and patch, from the top.
std::string version_by_number() {
    using Number = uint64_t (*)();
    // Looked up by name, not linked: a libtorch without it is to be reported, not refused by the loader.
    const auto number = reinterpret_cast<Number>(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"));
    if (!number) return {};
    const auto value = number();
    return std::to_string(value >> 56) + "." + std::to_string((value >> 48) & 0xff) + "." +
           std::to_string((value >> 40) & 0xff);
}

/// The version in the library's own account of how it was built, for those without the number.
std::string version_by_account() {
    const auto account = at::show_config();
    const std::string key = "TORCH_VERSION=";
    const auto start = account.find(key);
    if (start == std::string::npos) return {};
    const auto end = account.find_first_of(",+ \n", start);
    return account.substr(start + key.size(), end - start - key.size());
}

std::string loaded_version() noexcept {
    try {
        auto version = version_by_number();
        return version.empty() ? version_by_account() : version;
    } catch (...) {
        return {};
    }
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

const char *tapestry_version_compiled(void) noexcept { return TORCH_VERSION; }

const char *tapestry_version_loaded(void) noexcept {
    static const std::string version = loaded_version();
    return version.c_str();
}

TapestryStatus tapestry_set_seed(uint64_t seed) noexcept {
    return guarded([&] { at::manual_seed(seed); });
}

TapestryStatus tapestry_set_deterministic(bool deterministic) noexcept {
    return guarded([&] {
        auto &context = at::globalContext();
        context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
        context.setDeterministicMkldnn(deterministic);
        context.setDeterministicCuDNN(deterministic);
        context.setBenchmarkCuDNN(!deterministic);
        // It would fill every new tensor with NaN, to unmask reads of uninitialised memory: a debugging aid, and slow.
        context.setDeterministicFillUninitializedMemory(false);
        // cuBLAS refuses to be deterministic without it, and reads it when it starts.
        if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*replace=*/0);
    });
}

bool tapestry_deterministic(void) noexcept { return at::globalContext().deterministicAlgorithms(); }

int32_t tapestry_threads(void) noexcept { return at::get_num_threads(); }

TapestryStatus tapestry_set_threads(int32_t count) noexcept {
    return guarded([&] { at::set_num_threads(count); });
}

int32_t tapestry_interop_threads(void) noexcept { return static_cast<int32_t>(at::get_num_interop_threads()); }

TapestryStatus tapestry_set_interop_threads(int32_t count) noexcept {
    return guarded([&] { at::set_num_interop_threads(count); });
}
