// What the files about several processes share: the group's handle, and what a lost peer is told from.
#pragma once

#include "support.h"

#include <chrono>
#include <string>
#include <utility>

// libtorch's own switch for the class that its library has and its header hides. Gloo's headers are Debian's.
#define USE_C10D_GLOO

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#pragma clang diagnostic pop

struct TapestryProcessGroup {
    c10::intrusive_ptr<c10d::ProcessGroup> group;
    /// The GPU whose tensors NCCL sends; the CPU where there is none.
    at::Device device{at::kCPU};
    /// Why sums of what is on CPUs are made by the network; empty where in shared memory.
    std::string why_by_network;

    explicit TapestryProcessGroup(c10::intrusive_ptr<c10d::ProcessGroup> group) : group(std::move(group)) {}
    ~TapestryProcessGroup();
};

namespace tapestry {

/// Puts the result of `operation` over the tensors of all processes in the place of each. Waits for it; of tensors on a
/// GPU, the stream does.
void all_reduce(c10d::ProcessGroup &group, const at::Tensor &tensor, c10d::ReduceOp::RedOpType operation);

/// Has NCCL send the tensors of a group's GPU, beside Gloo for those of the CPU. Meets the others.
void add_nccl(TapestryProcessGroup &group, const c10::intrusive_ptr<c10d::Store> &store, at::Device device,
              std::chrono::milliseconds timeout);

/// Waits until everything that was sent from the group's GPU has arrived. Throws `c10::DistBackendError` where it never
/// will: what a stream waited for is then not whole, and must not be used.
void finish_sending(const TapestryProcessGroup &group);

/// As `guarded`, for what fails because a peer is lost: then the status is TAPESTRY_PEER_LOST.
template <typename Body>
TapestryStatus guarded_with_peers(Body &&body) noexcept {
    auto lost = false;
    const auto status = guarded([&] {
        try {
            std::forward<Body>(body)();
        } catch (const ::gloo::Exception &) {
            lost = true;
            throw;
        } catch (const c10::DistError &) {
            lost = true;
            throw;
        }
    });
    return status != TAPESTRY_OK && lost ? TAPESTRY_PEER_LOST : status;
}

}  // namespace tapestry
