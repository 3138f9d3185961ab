#include "support.h"

#include <cstring>
#include <optional>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

std::vector<int64_t> row_major(at::IntArrayRef shape) {
    std::vector<int64_t> strides(shape.size());
    int64_t stride = 1;
    for (size_t axis = shape.size(); axis-- > 0;) {
        strides[axis] = stride;
        stride *= std::max<int64_t>(shape[axis], 1);
    }
    return strides;
}

/// Checks, in overflow-proof arithmetic, that the elements lie within `byte_count` bytes.
void check_extent(at::IntArrayRef shape, at::IntArrayRef strides, size_t element_bytes, int64_t byte_count) {
    int64_t last = 0;
    bool overflow = false;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
        TORCH_CHECK(shape[axis] >= 0 && strides[axis] >= 0, "negative extent or stride on axis ", axis);
        if (shape[axis] == 0) return;
        int64_t reach = 0;
        overflow |= __builtin_mul_overflow(shape[axis] - 1, strides[axis], &reach);
        overflow |= __builtin_add_overflow(last, reach, &last);
    }
    int64_t needed = 0;
    overflow |= __builtin_add_overflow(last, int64_t{1}, &needed);
    overflow |= __builtin_mul_overflow(needed, static_cast<int64_t>(element_bytes), &needed);
    TORCH_CHECK(!overflow && needed <= byte_count, "shape ", shape, " with strides ", strides, " needs more than the ",
                byte_count, " bytes given");
}

/// A view of host memory that lives no longer than the call. `host` is only read: nothing writes to the view.
at::Tensor view(const void *host, int64_t byte_count, at::ScalarType type, at::IntArrayRef shape,
                const int64_t *strides) {
    const auto steps = strides ? std::vector<int64_t>(strides, strides + shape.size()) : row_major(shape);
    check_extent(shape, steps, c10::elementSize(type), byte_count);
    return at::from_blob(const_cast<void *>(host), shape, steps, at::TensorOptions().dtype(type));
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_tensor_from_host(const void *host, int64_t byte_count, TapestryDataType host_type,
                                         const int64_t *shape, const int64_t *strides, int32_t rank,
                                         TapestryDataType type, TapestryDevice place, TapestryMemoryFormat format,
                                         TapestryTensor **made) noexcept {
    return guarded([&] {
        const at::NoGradGuard no_grad;
        const at::IntArrayRef extents(shape, static_cast<size_t>(rank));
        const auto source = view(host, byte_count, scalar_type(host_type), extents, strides);
        const auto options = at::TensorOptions().dtype(scalar_type(type)).device(device(place));
        auto result = at::empty(extents, options, memory_format(format));
        result.copy_(source);
        *made = give_out(std::move(result));
    });
}

TapestryStatus tapestry_tensor_to_host(TapestryTensor *tensor, TapestryDataType host_type, void *host,
                                       int64_t byte_count) noexcept {
    return guarded([&] {
        const at::NoGradGuard no_grad;
        const auto source = borrow(tensor).detach().to(at::kCPU, scalar_type(host_type)).contiguous();
        const auto needed = static_cast<int64_t>(source.nbytes());
        TORCH_CHECK(needed == byte_count, "shape ", source.sizes(), " fills ", needed, " bytes, not ", byte_count);
        if (needed > 0) std::memcpy(host, source.const_data_ptr(), source.nbytes());
    });
}

TapestryStatus tapestry_tensor_to(TapestryTensor *tensor, TapestryDevice place, TapestryDataType type,
                                  TapestryMemoryFormat format, TapestryTensor **moved) noexcept {
    return guarded([&] {
        auto result = borrow(tensor).to(device(place), scalar_type(type), /*non_blocking=*/false, /*copy=*/false,
                                        memory_format(format));
        *moved = give_out(std::move(result));
    });
}

int32_t tapestry_tensor_rank(TapestryTensor *tensor) noexcept { return static_cast<int32_t>(borrow(tensor).dim()); }

void tapestry_tensor_shape(TapestryTensor *tensor, int64_t *extents) noexcept {
    const auto source = borrow(tensor);
    for (const auto extent : source.sizes()) *extents++ = extent;
}

TapestryDataType tapestry_tensor_data_type(TapestryTensor *tensor) noexcept {
    return data_type(borrow(tensor).scalar_type());
}

TapestryDevice tapestry_tensor_device(TapestryTensor *tensor) noexcept {
    const auto place = borrow(tensor).device();
    return place.is_cuda() ? TapestryDevice{TAPESTRY_CUDA, place.index()} : TapestryDevice{TAPESTRY_CPU, 0};
}

void *tapestry_tensor_data(TapestryTensor *tensor) noexcept { return borrow(tensor).data_ptr(); }

bool tapestry_tensor_is_contiguous(TapestryTensor *tensor, TapestryMemoryFormat format) noexcept {
    return borrow(tensor).is_contiguous(format == TAPESTRY_CHANNELS_LAST ? at::MemoryFormat::ChannelsLast
                                                                         : at::MemoryFormat::Contiguous);
}
