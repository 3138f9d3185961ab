#include "processes.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/Functions.h>
#include <torch/csrc/autograd/custom_function.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Moments {
    /// Per channel, in double precision.
    at::Tensor mean, variance;
    double count;
};

at::Tensor at_least_float(const at::Tensor &x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

/// Mean and (biased) variance over the images of all processes: each says its own in a row of one matrix, whose rows all
/// add up in the same order.
Moments moments(c10d::ProcessGroup &group, const at::Tensor &x) {
    const auto channels = x.size(1);
    const auto wide = x.options().dtype(at::kDouble);
    auto rows = at::zeros({group.getSize(), 2 * channels + 1}, wide);
    if (x.numel() > 0) {
        const auto [mean, variance] = at::batch_norm_update_stats(at_least_float(x), {}, {}, 0);
        auto row = rows.select(0, group.getRank());
        row.narrow(0, 0, channels).copy_(mean);
        row.narrow(0, channels, channels).copy_(variance);
        row.select(0, 2 * channels).fill_(static_cast<double>(x.numel() / channels));
    }
    all_reduce(group, rows, c10d::ReduceOp::SUM);
    const auto means = rows.narrow(1, 0, channels);
    const auto counts = rows.narrow(1, 2 * channels, 1);
    const auto count = counts.sum();
    const auto mean = (means * counts).sum(0) / count;
    const auto spread = rows.narrow(1, channels, channels) + (means - mean).square();
    return {mean, (spread * counts).sum(0) / count, count.item<double>()};
}

struct SynchronizedBatchNorm : torch::autograd::Function<SynchronizedBatchNorm> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &weight,
                              const at::Tensor &bias, at::Tensor running_mean, at::Tensor running_variance,
                              double momentum, double epsilon, const c10::intrusive_ptr<c10d::ProcessGroup> &group) {
        const auto found = moments(*group, x);
        running_mean.lerp_(found.mean.to(running_mean.scalar_type()), momentum);
        const auto unbiased = found.variance * (found.count / std::max(found.count - 1, 1.0));
        running_variance.lerp_(unbiased.to(running_variance.scalar_type()), momentum);

        const auto mean = found.mean.to(weight.scalar_type());
        const auto variance = found.variance.to(weight.scalar_type());
        context->save_for_backward({x, weight, mean, variance});
        context->saved_data["group"] = c10::IValue::make_capsule(group);
        context->saved_data["count"] = found.count;
        context->saved_data["epsilon"] = epsilon;
        if (x.numel() == 0) return x.clone();
        return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, false, 0, epsilon));
    }

    /// With n values per channel in all and x̂ = (x − mean)/σ: dx = w/σ · (dy − Σdy/n − x̂ · Σ(dy · x̂)/n), the sums over
    /// all processes; dw = Σ(dy · x̂) and db = Σdy over this one's, as every other gradient is.
    static variable_list backward(AutogradContext *context, variable_list upstream) {
        const auto saved = context->get_saved_variables();
        const auto &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
        const auto epsilon = context->saved_data["epsilon"].toDouble();
        const auto group = c10::static_intrusive_pointer_cast<c10d::ProcessGroup>(context->saved_data["group"].toCapsule());
        const auto deviation = (variance + epsilon).sqrt();

        auto dx = at::zeros_like(x), dw = at::zeros_like(weight), db = at::zeros_like(weight);
        if (x.numel() > 0)
            std::tie(dx, dw, db) = at::native_batch_norm_backward(upstream[0].contiguous(x.suggest_memory_format()), x,
                                                                  weight, mean, variance, {}, {}, false, epsilon,
                                                                  {true, true, true});
        auto sums = at::stack({db, dw}).to(at::kDouble);
        all_reduce(*group, sums, c10d::ReduceOp::SUM);
        sums = (sums / context->saved_data["count"].toDouble()).to(weight.scalar_type());
        const auto along = at::DimVector({1, -1, 1, 1});
        const auto slope = -weight * sums[1] / deviation.square();
        const auto offset = -weight * sums[0] / deviation - slope * mean;
        const auto shape = at::IntArrayRef(along).slice(0, static_cast<size_t>(x.dim()));
        dx.add_(at::addcmul(offset.view(shape), slope.view(shape), x).to(dx.scalar_type()));
        return {dx, dw, db, {}, {}, {}, {}, {}};
    }
};

}  // namespace

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_synchronized_batch_norm(TapestryProcessGroup *group, TapestryTensor *x, TapestryTensor *weight,
                                                TapestryTensor *bias, TapestryTensor *running_mean,
                                                TapestryTensor *running_variance, double momentum, double epsilon,
                                                TapestryTensor **normalized) noexcept {
    return guarded_with_peers([&] {
        auto output = SynchronizedBatchNorm::apply(borrow(x), borrow(weight), borrow(bias), borrow(running_mean),
                                                   borrow(running_variance), momentum, epsilon, group->group);
        *normalized = give_out(std::move(output));
    });
}
