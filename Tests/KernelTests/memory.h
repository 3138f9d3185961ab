// Memory whose borders are guarded: what a kernel must not touch, it does not touch unnoticed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Memory that ends where a page begins that nobody may read or write. All of it, and what lies before it, holds
/// not-a-numbers that no computation makes, in floats and in halves of them alike: whoever reads it spoils a result,
/// whoever writes before it is found out. Made of whole floats; lasts until `release_memory`.
void *guarded(size_t bytes);

/// The same, in place of memory from `malloc`, which is freed; it may be NULL where there are no bytes.
void *moved_to_guarded(void *from, size_t bytes);

static inline float *guarded_floats(int64_t count) { return guarded((size_t)count * sizeof(float)); }

/// Whether an element of 4 or 2 bytes is as `guarded` left it.
bool is_untouched(const void *element, int32_t size);

/// Fails where something before a piece of memory has been written.
void check_guards(void);

void release_memory(void);
