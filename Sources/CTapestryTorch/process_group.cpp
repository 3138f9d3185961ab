#include "processes.h"
#include "shared_gloo.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

using c10d::ProcessGroupGloo;

/// This machine's address on the way to `host`: what the others reach it by. Empty where there is no way to be found.
std::string address_towards(const std::string &host, uint16_t port) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_DGRAM;
    addrinfo *found = nullptr;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) return {};
    std::string address;
    for (auto *place = found; place && address.empty(); place = place->ai_next) {
        const int descriptor = socket(place->ai_family, place->ai_socktype | SOCK_CLOEXEC, place->ai_protocol);
        if (descriptor < 0) continue;
        sockaddr_storage own{};
        socklen_t size = sizeof own;
        char text[NI_MAXHOST];
        // Nothing is sent: of a datagram's socket, connecting only chooses the route.
        if (connect(descriptor, place->ai_addr, place->ai_addrlen) == 0 &&
            getsockname(descriptor, reinterpret_cast<sockaddr *>(&own), &size) == 0 &&
            getnameinfo(reinterpret_cast<sockaddr *>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            address = text;
        close(descriptor);
    }
    freeaddrinfo(found);
    return address;
}

/// Gloo's devices: those of the interfaces that GLOO_SOCKET_IFNAME names, or the one on the way to rank 0.
std::vector<std::shared_ptr<::gloo::transport::Device>> gloo_devices(const TapestryMeeting &meeting) {
    std::vector<std::shared_ptr<::gloo::transport::Device>> devices;
    if (const char *names = std::getenv("GLOO_SOCKET_IFNAME"); names && *names) {
        std::stringstream list(names);
        for (std::string name; std::getline(list, name, ',');)
            devices.push_back(ProcessGroupGloo::createDeviceForInterface(name));
        return devices;
    }
    const auto address = address_towards(meeting.host, meeting.port);
    devices.push_back(address.empty() ? ProcessGroupGloo::createDefaultDevice()
                                      : ProcessGroupGloo::createDeviceForHostname(address));
    return devices;
}

/// Gloo's group, which adds up in shared memory where all processes can, or else says why not.
c10::intrusive_ptr<ProcessGroupGloo> gloo(const TapestryMeeting &meeting, const c10::intrusive_ptr<c10d::Store> &store,
                                          const c10::intrusive_ptr<ProcessGroupGloo::Options> &settings,
                                          std::string &why_by_network) {
    std::shared_ptr<SharedMemory> memory;
    why_by_network = "so asked for";
    if (meeting.shares_memory)
        memory = SharedMemory::meet(*store, meeting.rank, meeting.size, settings->timeout, why_by_network);
    if (memory) return c10::make_intrusive<SharedGloo>(store, settings, std::move(memory));
    return c10::make_intrusive<ProcessGroupGloo>(store, meeting.rank, meeting.size, settings);
}

std::unique_ptr<TapestryProcessGroup> join(const TapestryMeeting &meeting) {
    // What fails is thrown, and said once; c10d would log it too, with a trace of the stack.
    if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
    const std::chrono::milliseconds timeout(meeting.timeout_milliseconds);
    c10d::TCPStoreOptions options;
    options.port = meeting.port;
    options.isServer = meeting.serves;
    options.waitWorkers = false;
    options.timeout = timeout;
    auto tcp = c10::make_intrusive<c10d::TCPStore>(meeting.host, options);
    auto store = c10::make_intrusive<c10d::PrefixStore>(meeting.prefix, tcp);
    auto settings = ProcessGroupGloo::Options::create(timeout);
    settings->devices = gloo_devices(meeting);
    auto group = c10::make_intrusive<c10d::ProcessGroup>(store, meeting.rank, meeting.size);
    auto joined = std::make_unique<TapestryProcessGroup>(group);
    auto backend = gloo(meeting, store, settings, joined->why_by_network);
    group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, backend);
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    if (meeting.device.kind == TAPESTRY_CUDA) {
        const auto for_nccl = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
        add_nccl(*joined, for_nccl, device(meeting.device), timeout);
    }
    return joined;
}

c10d::ReduceOp::RedOpType reduction(TapestryReduction operation) {
    switch (operation) {
        case TAPESTRY_SUM: return c10d::ReduceOp::SUM;
        case TAPESTRY_MINIMUM: return c10d::ReduceOp::MIN;
    }
    TORCH_CHECK(false, "no reduction has the code ", static_cast<int32_t>(operation));
}

}  // namespace

void all_reduce(c10d::ProcessGroup &group, const at::Tensor &tensor, c10d::ReduceOp::RedOpType operation) {
    std::vector<at::Tensor> tensors{tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = operation;
    group.allreduce(tensors, options)->wait();
}

}  // namespace tapestry

using namespace tapestry;

TapestryStatus tapestry_process_group_join(const TapestryMeeting *meeting, TapestryProcessGroup **joined) noexcept {
    return guarded_with_peers([&] { *joined = join(*meeting).release(); });
}

void tapestry_process_group_release(TapestryProcessGroup *group) noexcept { delete group; }

const char *tapestry_process_group_why_by_network(const TapestryProcessGroup *group) noexcept {
    return group->why_by_network.c_str();
}

TapestryStatus tapestry_process_group_all_reduce(TapestryProcessGroup *group, TapestryTensor *tensor,
                                                 TapestryReduction operation) noexcept {
    return guarded_with_peers([&] {
        all_reduce(*group->group, borrow(tensor), reduction(operation));
        finish_sending(*group);
    });
}

TapestryStatus tapestry_process_group_broadcast(TapestryProcessGroup *group, TapestryTensor *tensor,
                                                int32_t root) noexcept {
    return guarded_with_peers([&] {
        std::vector<at::Tensor> tensors{borrow(tensor).detach()};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        group->group->broadcast(tensors, options)->wait();
        finish_sending(*group);
    });
}
