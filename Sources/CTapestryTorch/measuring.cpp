// Graphs of recorded work and times by a device's own clock, through the parts of libtorch that know no kind of device.
#include "support.h"

#include <memory>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/accelerator/Graph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#pragma clang diagnostic pop

struct TapestryGraph {
    c10::Device device;
    c10::Stream stream;
    at::accelerator::Graph graph;
};

namespace tapestry {

namespace {

/// Makes a stream the current one of its device while it lives.
class StreamGuard {
  public:
    explicit StreamGuard(c10::Stream stream)
        : streams_(stream.device_type()), former_(streams_.exchangeStream(stream)) {}
    ~StreamGuard() { streams_.exchangeStream(former_); }
    StreamGuard(const StreamGuard &) = delete;
    StreamGuard &operator=(const StreamGuard &) = delete;

  private:
    c10::impl::VirtualGuardImpl streams_;
    c10::Stream former_;
};

c10::Device cuda(int32_t index) {
    TORCH_CHECK(index < tapestry_cuda_device_count(), "no CUDA device ", index);
    return c10::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_graph_record(int32_t index, TapestryWork work, void *context,
                                     TapestryGraph **recorded) noexcept {
    return guarded([&] {
        const auto device = cuda(index);
        const c10::DeviceGuard guard(device);
        // The default stream cannot be recorded.
        const auto stream = c10::impl::VirtualGuardImpl(at::kCUDA).getStreamFromGlobalPool(device, false);
        auto made = std::make_unique<TapestryGraph>(device, stream);
        const StreamGuard current(stream);
        made->graph.capture_begin();
        const bool done = work(context);
        made->graph.capture_end();
        TORCH_CHECK(done, "the work to be recorded failed");
        *recorded = made.release();
    });
}

TapestryStatus tapestry_graph_replay(const TapestryGraph *graph) noexcept {
    return guarded([&] {
        const c10::DeviceGuard guard(graph->device);
        const_cast<TapestryGraph *>(graph)->graph.replay();
    });
}

void tapestry_graph_release(TapestryGraph *graph) noexcept { delete graph; }

TapestryStatus tapestry_cuda_time(int32_t index, TapestryWork work, void *context, double *milliseconds) noexcept {
    return guarded([&] {
        const auto device = cuda(index);
        const c10::DeviceGuard guard(device);
        const auto stream = c10::impl::VirtualGuardImpl(at::kCUDA).getStream(device);
        // The flag with which events keep times.
        c10::Event begin(at::kCUDA, c10::EventFlag::BACKEND_DEFAULT), end(at::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
        begin.record(stream);
        TORCH_CHECK(work(context), "the work to be measured failed");
        end.record(stream);
        end.synchronize();
        *milliseconds = begin.elapsedTime(end);
    });
}
