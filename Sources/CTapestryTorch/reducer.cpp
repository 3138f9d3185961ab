#include "processes.h"

#include <algorithm>
#include <numeric>
#include <vector>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <torch/csrc/distributed/c10d/reducer.hpp>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

using Buckets = std::vector<std::vector<size_t>>;

/// Parameters from the last to the first, as their gradients come. The first bucket is small, so that sending begins
/// soon.
Buckets buckets_of(const std::vector<at::Tensor> &parameters, size_t first_bytes, size_t bytes) {
    std::vector<int64_t> places(parameters.size());
    std::iota(places.rbegin(), places.rend(), 0);
    const std::vector<at::Tensor> reversed(parameters.rbegin(), parameters.rend());
    return std::get<0>(c10d::compute_bucket_assignment_by_size(reversed, {first_bytes, bytes}, {}, places));
}

}  // namespace

}  // namespace tapestry

struct TapestryReducer {
    TapestryReducer(const std::vector<at::Tensor> &parameters, const TapestryProcessGroup &group, int64_t first_bytes,
                    int64_t bytes)
        : group(group),
          buckets(tapestry::buckets_of(parameters, static_cast<size_t>(first_bytes), static_cast<size_t>(bytes))),
          reducer(parameters, buckets, group.group, std::vector<bool>(parameters.size(), false), bytes,
                  /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true, /*param_names=*/{}, first_bytes,
                  /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
                  /*bucket_bytes_cap_list=*/{}) {}

    const TapestryProcessGroup &group;
    const tapestry::Buckets buckets;
    c10d::Reducer reducer;
    bool is_settled = false;
};

using namespace tapestry;

TapestryStatus tapestry_reducer_make(TapestryProcessGroup *group, TapestryTensor *const *parameters, int64_t count,
                                     int64_t first_bucket_bytes, int64_t bucket_bytes,
                                     TapestryReducer **made) noexcept {
    return guarded_with_peers([&] {
        std::vector<at::Tensor> tensors;
        for (int64_t i = 0; i < count; ++i) tensors.push_back(borrow(parameters[i]));
        *made = new TapestryReducer(tensors, *group, first_bucket_bytes, bucket_bytes);
    });
}

void tapestry_reducer_release(TapestryReducer *reducer) noexcept {
    // Its destructor says that it may throw; whoever releases it has no use for what it says.
    (void)guarded([&] { delete reducer; });
}

TapestryStatus tapestry_reducer_backward(TapestryReducer *reducer, TapestryTensor *loss) noexcept {
    return guarded_with_peers([&] {
        const auto root = borrow(loss);
        reducer->reducer.prepare_for_backward({root});
        root.backward();
        finish_sending(reducer->group);
        if (reducer->is_settled) return;
        // After its first backward pass the reducer lays its buckets out anew, in the order in which gradients came. A
        // sum's last bits depend on its bucket, so that the first step of a resumed run would not be that of the run that
        // never stopped: the layout of the beginning is kept.
        reducer->reducer.rebuild_buckets();
        reducer->reducer.initialize_buckets(reducer->buckets);
        reducer->is_settled = true;
    });
}
