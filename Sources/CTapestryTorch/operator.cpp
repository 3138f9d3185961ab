#include "arguments.h"

#include <map>
#include <memory>
#include <mutex>

struct TapestryOperator {
    c10::OperatorHandle handle;
    std::vector<tapestry::Expected> arguments;
};

namespace tapestry {

namespace {

bool is_tensors(const c10::TypePtr &type) {
    return type->kind() == c10::TypeKind::TensorType ||
           (type->kind() == c10::TypeKind::ListType &&
            type->castRaw<c10::ListType>()->getElementType()->kind() == c10::TypeKind::TensorType);
}

std::unique_ptr<TapestryOperator> look_up(const char *name, const char *overload) {
    const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
    auto found = std::make_unique<TapestryOperator>(TapestryOperator{handle, {}});
    for (const auto &argument : handle.schema().arguments()) found->arguments.emplace_back(argument);
    for (const auto &output : handle.schema().returns())
        TORCH_CHECK(is_tensors(output.type()), "returns ", output.type()->str(), ", which is no tensor");
    return found;
}

/// Operators are few and live as long as the process, so that a handle needs no owner.
const TapestryOperator *cached(const char *name, const char *overload) {
    static auto &mutex = *new std::mutex;
    static auto &operators = *new std::map<std::pair<std::string, std::string>, std::unique_ptr<TapestryOperator>>;
    const std::lock_guard lock(mutex);
    auto &entry = operators[{name, overload}];
    if (!entry) entry = look_up(name, overload);
    return entry.get();
}

torch::jit::Stack stack_of(const TapestryOperator &callee, const TapestryArgument *arguments, int64_t count) {
    const auto expected = static_cast<int64_t>(callee.arguments.size());
    TORCH_CHECK(count <= expected, "takes ", expected, " arguments, given ", count);
    torch::jit::Stack stack;
    stack.reserve(callee.arguments.size());
    for (int64_t i = 0; i < expected; ++i) {
        const auto &argument = callee.arguments[static_cast<size_t>(i)];
        stack.push_back(i < count ? converted(arguments[i], argument) : omitted(argument));
    }
    return stack;
}

std::vector<at::Tensor> tensors_of(torch::jit::Stack stack) {
    std::vector<at::Tensor> outputs;
    outputs.reserve(stack.size());
    for (auto &value : stack) {
        if (value.isTensor()) {
            outputs.push_back(std::move(value).toTensor());
        } else {
            for (auto &tensor : std::move(value).toTensorVector()) outputs.push_back(std::move(tensor));
        }
    }
    for (const auto &output : outputs) TORCH_CHECK(output.defined(), "an output is undefined");
    return outputs;
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_operator_find(const char *name, const char *overload, const TapestryOperator **found) noexcept {
    return guarded([&] { *found = cached(name, overload); });
}

TapestryStatus tapestry_operator_call(const TapestryOperator *callee, const TapestryArgument *arguments, int64_t count,
                                      TapestryReceiver receive, void *context) noexcept {
    return guarded([&] {
        auto stack = stack_of(*callee, arguments, count);
        callee->handle.callBoxed(stack);
        for (auto &output : tensors_of(std::move(stack))) receive(context, give_out(std::move(output)));
    });
}
