// SHA-256 by the instructions of Intel's SHA extensions, which have the digest's words in two registers: a, b, e, f and
// c, d, g, h, from the highest lane down.
#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "blocks.h"

bool tapestry_sha256_has_x86(void) {
    unsigned a, b, c, d;
    // Leaf 7: SHA; leaf 1: SSSE3 and SSE4.1.
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_SHA)) return false;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
}

__attribute__((target("sha,ssse3,sse4.1"))) void tapestry_sha256_blocks_x86(
    uint32_t state[8], const uint8_t *bytes, size_t blocks) {
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; blocks > 0; blocks--, bytes += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        // The last sixteen words of the schedule, four to a register.
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes + i), big_endian);
#pragma unroll
        for (int t = 0; t < 16; t++) {
            const __m128i words = w[t % 4];
            __m128i sums = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)tapestry_sha256_constants + t));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sums);
            sums = _mm_shuffle_epi32(sums, 0x0E);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, sums);
            // Words t - 7 lie across two registers.
            const __m128i seventh = _mm_alignr_epi8(w[(t + 3) % 4], w[(t + 2) % 4], 4);
            const __m128i start = _mm_add_epi32(_mm_sha256msg1_epu32(words, w[(t + 1) % 4]), seventh);
            w[t % 4] = _mm_sha256msg2_epu32(start, w[(t + 3) % 4]);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    state[0] = (uint32_t)_mm_extract_epi32(abef, 3);
    state[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    state[4] = (uint32_t)_mm_extract_epi32(abef, 1);
    state[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    state[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
    state[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    state[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
    state[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

#endif
