#include "support.h"

#include <atomic>
#include <exception>
#include <string>

namespace tapestry {

namespace {
thread_local std::string message;
std::atomic<int64_t> live_count{0};
}  // namespace

void set_message(std::string_view text) noexcept {
    try {
        message.assign(text);
    } catch (...) {
        message.clear();
    }
}

void set_message_from_current_exception() noexcept {
    try {
        throw;
    } catch (const c10::Error &error) {
        set_message(error.what_without_backtrace());
    } catch (const std::exception &error) {
        set_message(error.what());
    } catch (...) {
        set_message("an exception that is no std::exception");
    }
}

// A handle is the tensor's own counted body, so that giving one out allocates nothing.
TapestryTensor *give_out(at::Tensor tensor) noexcept {
    live_count.fetch_add(1, std::memory_order_relaxed);
    return reinterpret_cast<TapestryTensor *>(tensor.unsafeReleaseTensorImpl());
}

at::Tensor borrow(const TapestryTensor *handle) noexcept {
    auto *body = reinterpret_cast<c10::TensorImpl *>(const_cast<TapestryTensor *>(handle));
    using Reference = c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;
    return at::Tensor(Reference::unsafe_reclaim_from_nonowning(body));
}

at::ScalarType scalar_type(TapestryDataType type) {
    switch (type) {
        case TAPESTRY_FLOAT32: return at::kFloat;
        case TAPESTRY_FLOAT64: return at::kDouble;
        case TAPESTRY_FLOAT16: return at::kHalf;
        case TAPESTRY_BFLOAT16: return at::kBFloat16;
        case TAPESTRY_INT64: return at::kLong;
        case TAPESTRY_INT32: return at::kInt;
        case TAPESTRY_UINT8: return at::kByte;
        case TAPESTRY_BOOL: return at::kBool;
        case TAPESTRY_OTHER_TYPE: break;
    }
    TORCH_CHECK(false, "no element type has the code ", static_cast<int32_t>(type));
}

TapestryDataType data_type(at::ScalarType type) noexcept {
    switch (type) {
        case at::kFloat: return TAPESTRY_FLOAT32;
        case at::kDouble: return TAPESTRY_FLOAT64;
        case at::kHalf: return TAPESTRY_FLOAT16;
        case at::kBFloat16: return TAPESTRY_BFLOAT16;
        case at::kLong: return TAPESTRY_INT64;
        case at::kInt: return TAPESTRY_INT32;
        case at::kByte: return TAPESTRY_UINT8;
        case at::kBool: return TAPESTRY_BOOL;
        default: return TAPESTRY_OTHER_TYPE;
    }
}

at::MemoryFormat memory_format(TapestryMemoryFormat format) {
    switch (format) {
        case TAPESTRY_CONTIGUOUS: return at::MemoryFormat::Contiguous;
        case TAPESTRY_PRESERVE: return at::MemoryFormat::Preserve;
        case TAPESTRY_CHANNELS_LAST: return at::MemoryFormat::ChannelsLast;
    }
    TORCH_CHECK(false, "no memory format has the code ", static_cast<int32_t>(format));
}

at::DeviceType device_type(TapestryDeviceKind kind) {
    switch (kind) {
        case TAPESTRY_CPU: return at::kCPU;
        case TAPESTRY_CUDA: return at::kCUDA;
    }
    TORCH_CHECK(false, "no kind of device has the code ", static_cast<int32_t>(kind));
}

at::Device device(TapestryDevice device) {
    const auto type = device_type(device.kind);
    return type == at::kCPU ? at::Device(type) : at::Device(type, static_cast<c10::DeviceIndex>(device.index));
}

}  // namespace tapestry

using namespace tapestry;

const char *tapestry_last_message(void) noexcept { return message.c_str(); }

void tapestry_tensor_retain(TapestryTensor *tensor) noexcept { give_out(borrow(tensor)); }

void tapestry_tensor_release(TapestryTensor *tensor) noexcept {
    live_count.fetch_sub(1, std::memory_order_relaxed);
    c10::intrusive_ptr<c10::TensorImpl>::reclaim(reinterpret_cast<c10::TensorImpl *>(tensor));
}

int64_t tapestry_tensor_live_count(void) noexcept { return live_count.load(std::memory_order_relaxed); }
