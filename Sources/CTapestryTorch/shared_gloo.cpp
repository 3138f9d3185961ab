#include "shared_gloo.h"

#include <utility>

namespace tapestry {

namespace {

c10::intrusive_ptr<c10d::ProcessGroupGloo::Options> with_one_thread(
    const c10::intrusive_ptr<c10d::ProcessGroupGloo::Options> &options) {
    options->threads = 1;
    return options;
}

}  // namespace

/// A sum that is being made by the group's thread. It keeps the memory, which the group may not outlive.
class SharedGloo::Addition final : public AsyncWork {
  public:
    Addition(std::shared_ptr<gloo::Context> context, std::shared_ptr<SharedSum> sum, std::vector<at::Tensor> tensors,
             uint64_t number, std::chrono::milliseconds timeout)
        : AsyncWork(std::move(context), {tensors}, c10d::OpType::ALLREDUCE, number, timeout, "tapestry:sum", tensors),
          sum_(std::move(sum)),
          tensors_(std::move(tensors)) {}

    void run() override {
        const auto &tensor = tensors_[0];
        (*sum_)(tensor.mutable_data_ptr(), tensor.numel(), tensor.scalar_type());
    }

    const std::vector<at::Tensor> getInputTensors() override { return tensors_; }
    const std::vector<at::Tensor> getOutputTensors() override { return tensors_; }

  private:
    const std::shared_ptr<SharedSum> sum_;
    const std::vector<at::Tensor> tensors_;
};

SharedGloo::SharedGloo(const c10::intrusive_ptr<c10d::Store> &store, const c10::intrusive_ptr<Options> &options,
                       std::shared_ptr<SharedMemory> memory)
    : ProcessGroupGloo(store, memory->rank(), memory->size(), with_one_thread(options)),
      sum_(std::make_shared<SharedSum>(std::move(memory))) {}

c10::intrusive_ptr<c10d::Work> SharedGloo::allreduce(std::vector<at::Tensor> &tensors,
                                                     const c10d::AllreduceOptions &options) {
    const auto takes = [](const at::Tensor &tensor) {
        return tensor.layout() == at::kStrided && tensor.is_cpu() && tensor.is_non_overlapping_and_dense() &&
               SharedSum::takes(tensor.scalar_type());
    };
    // All that decides is the same in all processes.
    if (options.reduceOp.op_ != c10d::ReduceOp::SUM || tensors.size() != 1 || !takes(tensors[0]))
        return ProcessGroupGloo::allreduce(tensors, options);
    auto work = c10::make_intrusive<Addition>(contexts_[0], sum_, tensors, ++seq_, options_->timeout);
    enqueue(work);
    return work;
}

}  // namespace tapestry
