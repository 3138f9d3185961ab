// What every file of the shim shares: the barrier that no exception passes, and the conversions of handles and codes.
#pragma once

#include "CTapestryTorch.h"
#include "torch_headers.h"

#include <string_view>
#include <utility>

namespace tapestry {

/// Keeps `text` as the calling thread's message. Never throws: out of memory, the message is left empty.
void set_message(std::string_view text) noexcept;

/// Records the exception being handled.
void set_message_from_current_exception() noexcept;

/// Runs `body` and turns any exception into a status. `body` writes outputs last, after all that can throw.
template <typename Body>
TapestryStatus guarded(Body &&body) noexcept {
    try {
        std::forward<Body>(body)();
        return TAPESTRY_OK;
    } catch (...) {
        set_message_from_current_exception();
        return TAPESTRY_FAILED;
    }
}

/// The tensor's reference becomes the caller's; counted as live.
TapestryTensor *give_out(at::Tensor tensor) noexcept;

/// Another reference to the tensor of a borrowed handle.
at::Tensor borrow(const TapestryTensor *handle) noexcept;

at::ScalarType scalar_type(TapestryDataType type);
TapestryDataType data_type(at::ScalarType type) noexcept;
at::MemoryFormat memory_format(TapestryMemoryFormat format);
at::DeviceType device_type(TapestryDeviceKind kind);
at::Device device(TapestryDevice device);

}  // namespace tapestry
