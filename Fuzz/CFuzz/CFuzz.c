#define _GNU_SOURCE
#include "CFuzz.h"

#include <sanitizer/allocator_interface.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int fuzz_memory_file(void) { return memfd_create("fuzz", MFD_CLOEXEC); }

// One execution runs on one thread, and what another one allocates meanwhile would be counted with it: so neither locks
// nor atomics are needed, only that a hook does not call itself.
static bool is_counting;
static ptrdiff_t live, limit;

static void allocated(const volatile void *pointer, size_t size) {
    if (!is_counting || !pointer) return;
    live += (ptrdiff_t)size;
    if (live <= limit) return;
    is_counting = false;
    fprintf(stderr, "==FUZZ== ERROR: heap of %td bytes, more than the limit of %td\n", live, limit);
    abort();
}

static void freed(const volatile void *pointer) {
    if (is_counting && pointer) live -= (ptrdiff_t)__sanitizer_get_allocated_size((const void *)pointer);
}

void fuzz_begin_heap_limit(size_t bytes) {
    static bool is_installed;
    if (!is_installed) is_installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed) > 0;
    if (!is_installed) abort();
    live = 0;
    limit = (ptrdiff_t)bytes;
    is_counting = true;
}

void fuzz_end_heap_limit(void) { is_counting = false; }
