// What the process's allocator is told, where it can be told anything.
#ifndef CTAPESTRY_MEMORY_H
#define CTAPESTRY_MEMORY_H

#ifdef __cplusplus
extern "C" {
#endif

// Has it keep what is freed, and ask the system for large pieces. A step of training frees and asks again for the same
// hundreds of megabytes, and reading, deploying and planning a network for the same few; given back to the system in
// between, every page of them would be cleared and mapped anew. A program calls it before it starts threads.
void tapestry_keep_freed_memory(void);

#ifdef __cplusplus
}
#endif

#endif
