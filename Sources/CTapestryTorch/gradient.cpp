#include "support.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/autocast_mode.h>
#pragma clang diagnostic pop

using namespace tapestry;

bool tapestry_tensor_requires_grad(TapestryTensor *tensor) noexcept { return borrow(tensor).requires_grad(); }

TapestryStatus tapestry_tensor_set_requires_grad(TapestryTensor *tensor, bool required) noexcept {
    return guarded([&] { borrow(tensor).requires_grad_(required); });
}

TapestryTensor *tapestry_tensor_grad(TapestryTensor *tensor) noexcept {
    // Not `grad()`, which warns on standard error about a tensor that is no leaf.
    const auto &grad = borrow(tensor).mutable_grad();
    return grad.defined() ? give_out(grad) : nullptr;
}

TapestryStatus tapestry_tensor_set_grad(TapestryTensor *tensor, TapestryTensor *grad) noexcept {
    return guarded([&] {
        const auto owner = borrow(tensor);
        auto replacement = grad ? borrow(grad) : at::Tensor();
        if (replacement.defined()) {
            TORCH_CHECK(replacement.sizes() == owner.sizes() && replacement.options().type_equal(owner.options()),
                        "a gradient has the shape, type and device of its tensor");
        }
        owner.mutable_grad() = std::move(replacement);
    });
}

TapestryStatus tapestry_tensor_backward(TapestryTensor *root, TapestryTensor *upstream, bool retain_graph) noexcept {
    return guarded([&] { borrow(root).backward(upstream ? borrow(upstream) : at::Tensor(), retain_graph); });
}

bool tapestry_grad_enabled(void) noexcept { return at::GradMode::is_enabled(); }

void tapestry_set_grad_enabled(bool enabled) noexcept { at::GradMode::set_enabled(enabled); }

TapestryStatus tapestry_autocast_enter(TapestryDeviceKind kind, TapestryDataType type,
                                       TapestryAutocast *previous) noexcept {
    return guarded([&] {
        const auto place = device_type(kind);
        const auto target = scalar_type(type);
        TORCH_CHECK(target == at::kBFloat16 || target == at::kHalf, "runs in bfloat16 or float16, not ", target);
        const TapestryAutocast before{kind, at::autocast::is_autocast_enabled(place),
                                      data_type(at::autocast::get_autocast_dtype(place))};
        at::autocast::set_autocast_dtype(place, target);
        at::autocast::set_autocast_enabled(place, true);
        at::autocast::increment_nesting();
        *previous = before;
    });
}

bool tapestry_autocast_is_bfloat16(TapestryDeviceKind kind) noexcept {
    const auto place = kind == TAPESTRY_CUDA ? at::kCUDA : at::kCPU;
    return at::autocast::is_autocast_enabled(place) && at::autocast::get_autocast_dtype(place) == at::kBFloat16;
}

void tapestry_autocast_exit(TapestryAutocast previous) noexcept {
    const auto place = previous.kind == TAPESTRY_CUDA ? at::kCUDA : at::kCPU;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(place, previous.enabled);
    if (previous.type != TAPESTRY_OTHER_TYPE) at::autocast::set_autocast_dtype(place, scalar_type(previous.type));
}
