// Memory that the processes of one machine share, and what they tell one another through it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Store.hpp>
#pragma clang diagnostic pop

namespace tapestry {

/// A file without a name that every process of a group has mapped: for each a line that says how far it is, and some
/// slots for values.
///
/// Nothing of it is in a file system, nor left when the last process has ended, in whatever way. All of its pages are
/// there from the beginning and nobody can take them away, so that no access to it can fail.
class SharedMemory {
  public:
    /// How many slots each process has.
    static constexpr uint32_t slots = 3;

    /// Meets the others through `store`, and maps the same memory as they. Null where not all can, with the `reason`,
    /// in all processes alike. Throws what the store throws where one of them does not come.
    static std::shared_ptr<SharedMemory> meet(c10d::Store &store, int rank, int size, std::chrono::milliseconds timeout,
                                              std::string &reason);
    ~SharedMemory();
    SharedMemory(const SharedMemory &) = delete;
    SharedMemory &operator=(const SharedMemory &) = delete;

    int rank() const noexcept { return rank_; }
    int size() const noexcept { return size_; }
    size_t slot_bytes() const noexcept { return slot_bytes_; }
    /// One of a process's slots, aligned to a page.
    std::byte *slot(int rank, uint32_t number) const noexcept;

    /// Says that this process is so far, and wakes who waits for that. What it wrote before, who sees that sees too.
    void announce(uint32_t progress) noexcept;
    /// Waits until all are at least so far, each no longer than the timeout. Numbers wrap around.
    ///
    /// Throws `c10::DistBackendError` where another process has ended or does not come.
    void await(uint32_t progress);
    /// Throws what `await` has thrown, if it ever did: nothing is to be announced any more.
    void check() const;

  private:
    struct Line;

    SharedMemory(int descriptor, int rank, int size, std::chrono::milliseconds timeout);
    static size_t slot_bytes(int size) noexcept;
    static size_t bytes(int size) noexcept;
    bool is_mapped() const noexcept { return memory_ != nullptr; }
    Line &line(int rank) const noexcept;
    void await(int other, uint32_t progress);
    void fail(std::string why);
    bool claim() const noexcept;
    bool has_ended(int other) const noexcept;

    /// Makes the memory, and tells the others where it is: in text that is empty where that failed.
    static std::string offer(int size, std::chrono::milliseconds timeout, std::shared_ptr<SharedMemory> &made,
                             std::string &reason);
    static void accept(const std::string &offered, int rank, int size, std::chrono::milliseconds timeout,
                       std::shared_ptr<SharedMemory> &made, std::string &reason);

    const int descriptor_, rank_, size_;
    const size_t slot_bytes_;
    const std::chrono::milliseconds timeout_;
    std::byte *memory_ = nullptr;
    /// Why nobody is waited for any more.
    std::string failure_;
};

}  // namespace tapestry
