// SHA-256 (FIPS 180-4): the digest by which damage to weights is found.
#ifndef CTAPESTRY_SHA256_H
#define CTAPESTRY_SHA256_H

#include <stddef.h>
#include <stdint.h>

// Writes the digest of the `count` bytes at `bytes` to the 32 at `digest`. `bytes` may be null where `count` is 0. By
// the processor's own instructions where it has them: about a gigabyte a second, and else a sixth of that.
void tapestry_sha256(const void *bytes, size_t count, uint8_t *digest);

// The same without those instructions, for tests.
void tapestry_sha256_portable(const void *bytes, size_t count, uint8_t *digest);

#endif
