#include "support.h"

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

/// A step of the graph of gradients whose backward pass is a caller's.
class Function final : public torch::autograd::Node {
  public:
    Function(TapestryFunction function, size_t input_count) : function_(function), input_count_(input_count) {}

    ~Function() override { release_variables(); }

    std::string name() const override { return function_.name; }

    torch::autograd::variable_list apply(torch::autograd::variable_list &&upstream) override {
        TORCH_CHECK(function_.context, "backward a second time through ", function_.name,
                    ", whose saved values are gone");
        std::vector<TapestryTensor *> above, below(input_count_, nullptr);
        for (auto &gradient : upstream) above.push_back(gradient.defined() ? give_out(std::move(gradient)) : nullptr);
        const auto status = function_.backward(function_.context, above.data(), static_cast<int64_t>(above.size()),
                                               below.data(), static_cast<int64_t>(below.size()));
        torch::autograd::variable_list gradients;
        for (auto *gradient : below) {
            gradients.push_back(gradient ? borrow(gradient) : at::Tensor());
            if (gradient) tapestry_tensor_release(gradient);
        }
        TORCH_CHECK(status == TAPESTRY_OK, function_.name, ": ", tapestry_last_message());
        return gradients;
    }

    void release_variables() override {
        if (function_.context) function_.release(function_.context);
        function_.context = nullptr;
    }

  private:
    TapestryFunction function_;
    size_t input_count_;
};

/// Counted references to nodes are of one of two types, by libtorch's version.
template <typename Pointer, typename Made>
Pointer make_node(TapestryFunction function, size_t input_count) {
    if constexpr (std::is_same_v<Pointer, std::shared_ptr<torch::autograd::Node>>)
        return std::make_shared<Made>(function, input_count);
    else
        return c10::make_intrusive<Made>(function, input_count);
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_function_record(TapestryFunction function, TapestryTensor *const *inputs, int64_t input_count,
                                        TapestryTensor *const *outputs, int64_t output_count) noexcept {
    return guarded([&] {
        using NodePointer = decltype(torch::autograd::Edge::function);
        const auto node = make_node<NodePointer, Function>(function, static_cast<size_t>(input_count));
        torch::autograd::variable_list sources;
        for (int64_t i = 0; i < input_count; ++i) sources.push_back(borrow(inputs[i]));
        if (!at::GradMode::is_enabled() || !torch::autograd::any_variable_requires_grad(sources)) return;
        node->set_next_edges(torch::autograd::collect_next_edges(sources));
        for (int64_t i = 0; i < output_count; ++i) {
            auto output = borrow(outputs[i]);
            TORCH_CHECK(!output.requires_grad(), "output ", i, " of ", function.name, " has a history already");
            torch::autograd::set_history(output, node);
        }
    });
}
