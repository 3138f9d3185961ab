#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

/// A quiet not-a-number with bits of its own, and so is each of its halves.
static const uint32_t untouched = 0x7fcb7fcb;

typedef struct {
    /// The mapping with its two guard pages, and where the memory that was asked for begins and ends.
    char *pages, *begin, *end;
} piece;

#define MOST_PIECES 256
static piece pieces[MOST_PIECES];
static int32_t piece_count = 0;

void *guarded(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bytes = (bytes + sizeof untouched - 1) / sizeof untouched * sizeof untouched;
    const size_t body = (bytes + page - 1) / page * page + (bytes % page == 0 ? page : 0);
    char *pages = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece_count == MOST_PIECES || pages == MAP_FAILED
        || mprotect(pages + page, body, PROT_READ | PROT_WRITE) != 0) {
        fail("there is no memory for the test");
    }
    uint32_t *words = (uint32_t *)(void *)(pages + page);
    for (size_t i = 0; i < body / sizeof *words; ++i) words[i] = untouched;
    char *end = pages + page + body;
    pieces[piece_count++] = (piece){pages, end - bytes, end};
    return end - bytes;
}

void *moved_to_guarded(void *from, size_t bytes) {
    void *to = guarded(bytes);
    if (bytes > 0) memcpy(to, from, bytes);
    free(from);
    return to;
}

bool is_untouched(const void *element, int32_t size) { return memcmp(element, &untouched, (size_t)size) == 0; }

void check_guards(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int32_t i = 0; i < piece_count; ++i) {
        const float *first = (const float *)(const void *)(pieces[i].pages + page);
        const float *begin = (const float *)(const void *)pieces[i].begin;
        for (const float *p = first; p < begin; ++p)
            if (!is_untouched(p, sizeof *p))
                fail("something was written %td floats before a piece of memory", begin - p);
    }
}

void release_memory(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int32_t i = 0; i < piece_count; ++i) munmap(pieces[i].pages, (size_t)(pieces[i].end + page - pieces[i].pages));
    piece_count = 0;
}
