// Convolutions by Tapestry's own CUDA kernels, with gradients; on the host by the kernels' emulation.
#include "support.h"

#include <optional>
#include <string>

#include "tcu_api.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/custom_function.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

/// The tables of a plan as one tensor of integers on the device, each beginning at 16 bytes.
class Tables {
  public:
    template <typename Entry>
    void append(const Entry *&address, const Entry *entries, int64_t count) {
        static_assert(sizeof(Entry) % sizeof(int) == 0);
        if (!entries || count == 0) return;
        places_.push_back({reinterpret_cast<const int **>(&address), words_.size()});
        const auto *words = reinterpret_cast<const int *>(entries);
        words_.insert(words_.end(), words, words + static_cast<size_t>(count) * (sizeof(Entry) / sizeof(int)));
        words_.resize((words_.size() + 3) / 4 * 4);
    }

    /// Copies the tables to the device and sets the addresses that were given with them.
    at::Tensor place(at::Device device) {
        const auto count = static_cast<int64_t>(words_.size());
        const auto placed = at::from_blob(words_.data(), {count}, at::TensorOptions().dtype(at::kInt)).clone().to(device);
        for (const auto &[address, offset] : places_) *address = placed.const_data_ptr<int>() + offset;
        return placed;
    }

  private:
    std::vector<int> words_;
    std::vector<std::pair<const int **, size_t>> places_;
};

/// Counted, so that steps of a graph of gradients can keep it.
struct Plan final : torch::CustomClassHolder {
    tcu_convolution d;
    at::Tensor tables;

    Plan(const tcu_convolution &description, at::Device device) : d(description) {
        Tables t;
        t.append(d.forward.steps, d.forward_tables.steps, d.forward_tables.step_count);
        t.append(d.forward.tiles, d.forward_tables.tiles, d.forward_tables.tile_count);
        t.append(d.forward.patches, d.patches, d.patch_count);
        t.append(d.forward.moves, d.moves, 2 * int64_t{d.forward.channels});
        t.append(d.input_gradient.steps, d.input_gradient_tables.steps, d.input_gradient_tables.step_count);
        t.append(d.input_gradient.tiles, d.input_gradient_tables.tiles, d.input_gradient_tables.tile_count);
        t.append(d.return_shift.moves, d.return_moves, 2 * int64_t{d.forward.channels});
        tables = t.place(device);
        d.weight_gradient.steps = d.forward.steps;
        d.weight_gradient.tiles = d.forward.tiles;
        d.weight_gradient.patches = d.forward.patches;
        d.weight_gradient.moves = d.forward.moves;
    }

    bool moves() const { return d.moves != nullptr; }
    at::ScalarType element() const { return d.variant.arithmetic == TCU_BFLOAT16 ? at::kBFloat16 : at::kFloat; }

    void launch(tcu_kernel kernel, const void *problem) const {
        char message[400] = "";
        bool done = false;
        if (d.module) {
            const auto device = tables.device();
            const auto stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
            done = tcu_launch(d.module, kernel, problem, stream.native_handle(), message, sizeof message);
        } else {
            done = tcu_emulate(d.variant, kernel, problem, TCU_LATE, message, sizeof message);
        }
        TORCH_CHECK(done, tcu_kernel_name(kernel), ": ", message);
    }

    /// Runs `kernel`, and what finishes the sums where they are cut into parts.
    void run(tcu_kernel kernel, tcu_kernel reduction, tcu_problem p, const at::Tensor &y) const {
        at::Tensor workspace;
        if (p.splits > 1) {
            workspace = at::empty({p.splits * y.numel()}, y.options().dtype(at::kFloat));
            p.workspace = workspace.mutable_data_ptr<float>();
        }
        p.y = y.mutable_data_ptr();
        launch(kernel, &p);
        if (p.splits > 1) launch(reduction, &p);
    }
};

/// Channels last, of the type, beginning at 16 bytes.
at::Tensor prepared(const at::Tensor &tensor, at::ScalarType type) {
    auto ready = tensor.to(type).contiguous(at::MemoryFormat::ChannelsLast);
    if (reinterpret_cast<uintptr_t>(ready.const_data_ptr()) % 16 != 0) ready = ready.clone();
    return ready;
}

at::Tensor images_of(const tcu_problem &p, const at::Tensor &like) {
    return at::empty({p.images, p.outputs, p.out_height, p.out_width},
                     like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

/// The kernel with inputs and outputs exchanged within each group.
at::Tensor exchanged(const at::Tensor &kernel, int64_t groups) {
    const auto outputs = kernel.size(0) / groups, inputs = kernel.size(1);
    return kernel.reshape({groups, outputs, inputs, kernel.size(2), kernel.size(3)})
        .transpose(1, 2)
        .reshape({groups * inputs, outputs, kernel.size(2), kernel.size(3)})
        .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor forward_pass(const Plan &plan, const at::Tensor &x, const at::Tensor &kernel,
                        const std::optional<at::Tensor> &bias) {
    auto p = plan.d.forward;
    const auto y = images_of(p, x);
    const auto floats = bias ? bias->to(at::kFloat).contiguous() : at::Tensor();
    p.x = x.const_data_ptr();
    p.w = kernel.const_data_ptr();
    if (floats.defined()) p.bias = floats.const_data_ptr<float>();
    plan.run(plan.moves() ? TCU_CONVOLVE_MOVED : TCU_CONVOLVE, TCU_REDUCE, p, y);
    return y;
}

at::Tensor input_gradient(const Plan &plan, const at::Tensor &upstream, const at::Tensor &kernel) {
    auto p = plan.d.input_gradient;
    const auto gradient = images_of(p, upstream);
    const auto turned = exchanged(kernel, plan.d.groups);
    p.x = upstream.const_data_ptr();
    p.w = turned.const_data_ptr();
    plan.run(TCU_CONVOLVE, TCU_REDUCE, p, gradient);
    if (!plan.moves()) return gradient;
    auto shift = plan.d.return_shift;
    const auto &to = plan.d.forward;
    const auto returned = at::empty({to.images, to.channels, to.height, to.width},
                                    upstream.options().memory_format(at::MemoryFormat::ChannelsLast));
    shift.x = gradient.const_data_ptr();
    shift.y = returned.mutable_data_ptr();
    plan.launch(TCU_MOVE_CHANNELS, &shift);
    return returned;
}

at::Tensor weight_gradient(const Plan &plan, const at::Tensor &x, const at::Tensor &upstream, const at::Tensor &kernel) {
    auto p = plan.d.weight_gradient;
    const auto gradient = at::zeros_like(kernel, kernel.options().memory_format(at::MemoryFormat::ChannelsLast));
    p.x = x.const_data_ptr();
    p.w = upstream.const_data_ptr();
    plan.run(plan.moves() ? TCU_WEIGH_MOVED : TCU_WEIGH, TCU_REDUCE_WEIGHTS, p, gradient);
    return gradient;
}

struct KernelConvolution : torch::autograd::Function<KernelConvolution> {
    static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, const at::Tensor &kernel,
                              const std::optional<at::Tensor> &bias, const c10::intrusive_ptr<Plan> &plan) {
        const c10::DeviceGuard guard(plan->tables.device());
        const auto images = prepared(x, plan->element()), weights = prepared(kernel, plan->element());
        context->save_for_backward({images, weights});
        context->saved_data["has bias"] = bias.has_value();
        context->saved_data["plan"] = c10::IValue::make_capsule(plan);
        return forward_pass(*plan, images, weights, bias);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                   const torch::autograd::variable_list &upstreams) {
        const auto plan = c10::static_intrusive_pointer_cast<Plan>(context->saved_data["plan"].toCapsule());
        const c10::DeviceGuard guard(plan->tables.device());
        const auto saved = context->get_saved_variables();
        const auto upstream = prepared(upstreams[0], plan->element());
        at::Tensor x, kernel, bias;
        if (context->needs_input_grad(0)) x = input_gradient(*plan, upstream, saved[1]);
        if (context->needs_input_grad(1)) kernel = weight_gradient(*plan, saved[0], upstream, saved[1]);
        // Only tensors that are there are counted.
        if (context->saved_data["has bias"].toBool() && context->needs_input_grad(2))
            bias = upstream.sum({0, 2, 3}, false, at::kFloat);
        return {x, kernel, bias, at::Tensor()};
    }
};

/// As autocast casts operators' arguments: parameters once for as long as it is on.
at::Tensor cast(const at::Tensor &tensor, at::ScalarType type) {
    const auto device = tensor.device().type();
    return at::autocast::is_autocast_enabled(device) ? at::autocast::cached_cast(type, tensor, device) : tensor.to(type);
}

void check_shapes(const tcu_problem &p, int64_t groups, const at::Tensor &x, const at::Tensor &kernel) {
    const bool fits = x.dim() == 4 && x.size(0) == p.images && x.size(1) == p.channels && x.size(2) == p.height &&
                      x.size(3) == p.width;
    TORCH_CHECK(fits, "a plan for ", p.images, " x ", p.channels, " x ", p.height, " x ", p.width, " was given ", x.sizes());
    TORCH_CHECK(kernel.dim() == 4 && kernel.size(0) == p.outputs && kernel.size(1) == p.channels / groups &&
                    kernel.numel() == int64_t{p.outputs} * p.weight_row,
                "a plan for ", p.outputs, " rows of ", p.weight_row, " weights was given ", kernel.sizes());
}

}  // namespace

}  // namespace tapestry

/// A reference to a plan.
struct TapestryKernelPlan {
    c10::intrusive_ptr<tapestry::Plan> plan;
};

using namespace tapestry;

TapestryStatus tapestry_kernels_plan(const void *untyped, TapestryDevice place, TapestryKernelPlan **made) noexcept {
    return guarded([&] {
        const auto *description = static_cast<const tcu_convolution *>(untyped);
        TORCH_CHECK((place.kind == TAPESTRY_CUDA) == (description->module != nullptr),
                    "kernels run on CUDA devices, and are emulated on the host");
        *made = new TapestryKernelPlan{c10::make_intrusive<Plan>(*description, device(place))};
    });
}

void tapestry_kernels_release(TapestryKernelPlan *plan) noexcept { delete plan; }

TapestryStatus tapestry_kernels_convolve(const TapestryKernelPlan *plan, TapestryTensor *x, TapestryTensor *kernel,
                                         TapestryTensor *bias, TapestryTensor **y) noexcept {
    return guarded([&] {
        const auto images = borrow(x), weights = borrow(kernel);
        const auto type = plan->plan->element();
        check_shapes(plan->plan->d.forward, plan->plan->d.groups, images, weights);
        // Their own gradients bring what was cast back to the type that it had.
        *y = give_out(KernelConvolution::apply(cast(images, type), cast(weights, type),
                                               bias ? std::optional(borrow(bias)) : std::nullopt, plan->plan));
    });
}

bool tapestry_kernels_use_bfloat16(TapestryTensor *x) noexcept {
    const auto tensor = borrow(x);
    const auto device = tensor.device().type();
    return tensor.scalar_type() == at::kBFloat16 || (at::autocast::is_autocast_enabled(device) &&
                                                     at::autocast::get_autocast_dtype(device) == at::kBFloat16);
}

bool tapestry_tf32(void) noexcept {
    bool allowed = false;
    guarded([&] { allowed = at::globalContext().allowTF32CuDNN(); });
    return allowed;
}

TapestryStatus tapestry_set_tf32(bool allowed) noexcept {
    return guarded([&] {
        at::globalContext().setAllowTF32CuDNN(allowed);
        at::globalContext().setAllowTF32CuBLAS(allowed);
    });
}
