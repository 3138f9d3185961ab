// What takes whole blocks of 64 bytes into the eight words of a digest under way.
#ifndef CTAPESTRY_SHA256_BLOCKS_H
#define CTAPESTRY_SHA256_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The round constants, FIPS 180-4, 4.2.2.
extern const uint32_t tapestry_sha256_constants[64];

typedef void tapestry_sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks);

#if defined(__x86_64__)
// Precondition: `tapestry_sha256_has_x86` is true.
tapestry_sha256_blocks tapestry_sha256_blocks_x86;
// Under a hypervisor the question takes as long as the digest of many kilobytes.
bool tapestry_sha256_has_x86(void);
#endif

#endif
