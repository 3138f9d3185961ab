// Gloo, but for sums over processes of one machine.
#pragma once

#include "processes.h"
#include "shared_sum.h"

namespace tapestry {

/// Adds tensors up in memory that all processes of the group share. What else there is to do, Gloo does: by one thread,
/// so that everything begins and ends in the same order everywhere.
class SharedGloo final : public c10d::ProcessGroupGloo {
  public:
    SharedGloo(const c10::intrusive_ptr<c10d::Store> &store, const c10::intrusive_ptr<Options> &options,
               std::shared_ptr<SharedMemory> memory);

    c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor> &tensors,
                                             const c10d::AllreduceOptions &options) override;

  private:
    class Addition;

    std::shared_ptr<SharedSum> sum_;
};

}  // namespace tapestry
