// Sums over the processes of a group, made in memory that they share.
#pragma once

#include "shared_memory.h"

#include <cstdint>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <c10/core/ScalarType.h>
#pragma clang diagnostic pop

namespace tapestry {

/// Adds up what the processes have, piece by piece. Of a piece each process adds up a share, in the order of the ranks,
/// and the others copy it: so all have the same bits, those of any other run with as many processes.
class SharedSum {
  public:
    explicit SharedSum(std::shared_ptr<SharedMemory> memory) : memory_(std::move(memory)) {}

    static bool takes(at::ScalarType type) noexcept;

    /// Writes the sum of the `count` values that each process has at its own `values` there, in all of them. All call it
    /// in the same order, from one thread at a time. Types of 16 bits are added up in float32 and rounded once.
    ///
    /// Throws what `SharedMemory::await` throws.
    void operator()(void *values, int64_t count, at::ScalarType type);

  private:
    template <typename Element, typename Sum>
    void add_up(Element *values, int64_t count);

    std::shared_ptr<SharedMemory> memory_;
    /// The number of the next piece, of all that there ever were.
    uint32_t piece_ = 0;
};

}  // namespace tapestry
