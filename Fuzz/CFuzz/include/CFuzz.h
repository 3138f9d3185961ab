// What the fuzzer needs of C: libFuzzer's own mutations, a file in memory, and a limit on the heap.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's: changes `data` in place and gives its new size.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

/// The descriptor of a new empty file in memory, which `/proc/self/fd/N` opens; negative if there can be none.
int fuzz_memory_file(void);

/// From here on, more than `limit` bytes allocated at one time end the process as a finding.
void fuzz_begin_heap_limit(size_t limit);
void fuzz_end_heap_limit(void);
