#include "shared_memory.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <random>
#include <sstream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/util/Exception.h>
#pragma clang diagnostic pop

namespace tapestry {

namespace {

constexpr size_t page = 4096;
constexpr size_t rounded_up(size_t bytes) { return (bytes + page - 1) / page * page; }

/// How often a process looks before it sleeps, and how long it sleeps at most until it asks whether another still runs.
constexpr int most_glances = 500;
constexpr timespec nap{0, 50'000'000};

void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Sleeps until somebody wakes whoever waits for `word`, unless it is another than `seen`.
void sleep_while(const std::atomic<uint32_t> &word, uint32_t seen) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, &nap, nullptr, 0);
}

void wake_all(const std::atomic<uint32_t> &word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

std::string target_of_link(const char *path) {
    char target[256];
    const auto length = readlink(path, target, sizeof target);
    return {target, length > 0 ? static_cast<size_t>(length) : 0};
}

/// The running kernel, and this process's namespaces of processes and of networks: containers are machines of their
/// own. One word.
std::string machine() {
    char boot[64] = {};
    const int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        const auto length = read(descriptor, boot, sizeof boot - 1);
        close(descriptor);
        boot[length > 0 ? strcspn(boot, "\n") : 0] = 0;
    }
    return std::string(boot) + "/" + target_of_link("/proc/self/ns/pid") + "/" + target_of_link("/proc/self/ns/net");
}

uint64_t random_number() {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
}

std::vector<uint8_t> bytes_of(const std::string &text) { return {text.begin(), text.end()}; }

std::string text(c10d::Store &store, const std::string &key) {
    const auto bytes = store.get(key);
    return {bytes.begin(), bytes.end()};
}

flock byte(int rank, short type) {
    flock place{};
    place.l_type = type;
    place.l_whence = SEEK_SET;
    place.l_start = rank;
    place.l_len = 1;
    return place;
}

}  // namespace

/// The first holds a number that tells this memory from any other; then follows one for each process. Each has cache
/// lines of its own.
struct alignas(128) SharedMemory::Line {
    uint64_t token;
    std::atomic<uint32_t> progress;
    /// How many sleep until that changes.
    std::atomic<uint32_t> sleepers;
};

// Small enough to stay in a processor's nearer caches, and 64 MiB for any number of processes.
size_t SharedMemory::slot_bytes(int size) noexcept {
    const auto share = (size_t{64} << 20) / (static_cast<size_t>(size) * slots);
    return std::clamp(share / page * page, page, size_t{256} << 10);
}

size_t SharedMemory::bytes(int size) noexcept {
    const auto count = static_cast<size_t>(size);
    return rounded_up((count + 1) * sizeof(Line)) + count * slots * slot_bytes(size);
}

SharedMemory::SharedMemory(int descriptor, int rank, int size, std::chrono::milliseconds timeout)
    : descriptor_(descriptor), rank_(rank), size_(size), slot_bytes_(slot_bytes(size)), timeout_(timeout) {
    auto *mapped = mmap(nullptr, bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (mapped != MAP_FAILED) memory_ = static_cast<std::byte *>(mapped);
}

SharedMemory::~SharedMemory() {
    if (memory_) munmap(memory_, bytes(size_));
    // With it goes the claim, by which the others see that this one has left.
    close(descriptor_);
}

SharedMemory::Line &SharedMemory::line(int rank) const noexcept {
    return reinterpret_cast<Line *>(memory_)[rank + 1];
}

std::byte *SharedMemory::slot(int rank, uint32_t number) const noexcept {
    const auto index = static_cast<size_t>(rank) * slots + number;
    return memory_ + rounded_up((static_cast<size_t>(size_) + 1) * sizeof(Line)) + index * slot_bytes_;
}

// MARK: Meeting

std::shared_ptr<SharedMemory> SharedMemory::meet(c10d::Store &store, int rank, int size,
                                                 std::chrono::milliseconds timeout, std::string &reason) {
    // Rank 0 makes it; the others open it, and say whether that went well; rank 0 says whether it did for all.
    std::shared_ptr<SharedMemory> made;
    reason.clear();
    if (rank == 0) {
        store.set("memory", bytes_of(offer(size, timeout, made, reason)));
        for (int other = 1; other < size; ++other) {
            const auto theirs = text(store, "memory/" + std::to_string(other));
            if (reason.empty() && !theirs.empty()) reason = "rank " + std::to_string(other) + theirs;
        }
        store.set("memory/0", bytes_of(reason));
    } else {
        accept(text(store, "memory"), rank, size, timeout, made, reason);
        store.set("memory/" + std::to_string(rank), bytes_of(reason));
        reason = text(store, "memory/0");
    }
    if (!reason.empty()) made.reset();
    return made;
}

std::string SharedMemory::offer(int size, std::chrono::milliseconds timeout, std::shared_ptr<SharedMemory> &made,
                                std::string &reason) {
    reason = "rank 0 could not make it";
    const int descriptor = memfd_create("tapestry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return {};
    const auto whole = static_cast<off_t>(bytes(size));
    // Pages that are there cannot be missed later, nor can a file be cut that is sealed.
    int missing = EINTR;
    while (missing == EINTR) missing = posix_fallocate(descriptor, 0, whole);
    if (missing != 0 || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        close(descriptor);
        return {};
    }
    made.reset(new SharedMemory(descriptor, 0, size, timeout));
    if (!made->is_mapped() || !made->claim()) return {};
    reason.clear();
    const auto token = random_number();
    made->line(-1).token = token;
    std::ostringstream place;
    place << token << ' ' << getpid() << ' ' << descriptor << ' ' << machine();
    return place.str();
}

void SharedMemory::accept(const std::string &offered, int rank, int size, std::chrono::milliseconds timeout,
                          std::shared_ptr<SharedMemory> &made, std::string &reason) {
    uint64_t token = 0;
    int64_t process = 0;
    int number = 0;
    std::string theirs;
    std::istringstream place(offered);
    // What rank 0 could not make nobody misses.
    if (!(place >> token >> process >> number >> theirs)) return;
    reason = " is on another machine, or in another container";
    if (theirs != machine()) return;
    reason = " could not open it";
    const auto path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(number);
    // A file of its own, so that the claim in it is its own too.
    const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return;
    struct stat status{};
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size != static_cast<off_t>(bytes(size))) {
        close(descriptor);
        return;
    }
    made.reset(new SharedMemory(descriptor, rank, size, timeout));
    if (made->is_mapped() && made->line(-1).token == token && made->claim()) reason.clear();
}

/// A process's byte of the file is locked as long as it runs: the kernel opens the lock, however the process ends.
bool SharedMemory::claim() const noexcept {
    auto place = byte(rank_, F_WRLCK);
    return fcntl(descriptor_, F_OFD_SETLK, &place) == 0;
}

bool SharedMemory::has_ended(int other) const noexcept {
    auto place = byte(other, F_WRLCK);
    return fcntl(descriptor_, F_OFD_GETLK, &place) == 0 && place.l_type == F_UNLCK;
}

// MARK: Waiting

void SharedMemory::announce(uint32_t progress) noexcept {
    auto &own = line(rank_);
    own.progress.store(progress);
    if (own.sleepers.load() > 0) wake_all(own.progress);
}

void SharedMemory::await(uint32_t progress) {
    for (int other = 0; other < size_; ++other)
        if (other != rank_) await(other, progress);
}

void SharedMemory::await(int other, uint32_t progress) {
    auto &theirs = line(other);
    const auto has_come = [&] { return static_cast<int32_t>(theirs.progress.load() - progress) >= 0; };
    for (int glance = 0; glance < most_glances; ++glance) {
        if (has_come()) return;
        pause();
    }
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    while (!has_come()) {
        theirs.sleepers.fetch_add(1);
        const auto seen = theirs.progress.load();
        if (static_cast<int32_t>(seen - progress) < 0) sleep_while(theirs.progress, seen);
        theirs.sleepers.fetch_sub(1);
        if (has_come()) return;
        // Who has ended may have come just before.
        if (has_ended(other) && !has_come()) fail("rank " + std::to_string(other) + " has ended");
        if (std::chrono::steady_clock::now() > deadline)
            fail("rank " + std::to_string(other) + " has not come within " +
                 std::to_string(static_cast<double>(timeout_.count()) / 1000) + " s");
    }
}

void SharedMemory::fail(std::string why) {
    failure_ = std::move(why);
    check();
}

void SharedMemory::check() const { TORCH_CHECK_WITH(DistBackendError, failure_.empty(), failure_); }

}  // namespace tapestry
