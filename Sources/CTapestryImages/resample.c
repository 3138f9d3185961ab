// Sums are exact, so vectors of any width give the same bytes.
#include "CTapestryImages.h"

#include <string.h>

enum { PRECISION = 22 };
static const int32_t half = 1 << (PRECISION - 1);

typedef int32_t sums_of_pixel __attribute__((vector_size(16)));
typedef uint8_t bytes_of_pixel __attribute__((vector_size(4)));

#define INLINE static inline __attribute__((always_inline))

INLINE uint8_t clip(int32_t sum) {
    sum >>= PRECISION;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

INLINE void resample_pixel(
    const uint8_t *input, uint8_t *output, size_t channels, int32_t count, const int32_t *weights) {
    for (size_t channel = 0; channel < channels; channel++) {
        int32_t sum = half;
        for (int32_t tap = 0; tap < count; tap++) sum += input[tap * channels + channel] * weights[tap];
        output[channel] = clip(sum);
    }
}

// Three channels, and the byte after each pixel, in a vector. The byte after the output is written, too.
INLINE void resample_rgb(const uint8_t *input, uint8_t *output, int32_t count, const int32_t *weights) {
    sums_of_pixel sums = {half, half, half, half};
    for (int32_t tap = 0; tap < count; tap++) {
        bytes_of_pixel bytes;
        memcpy(&bytes, input + tap * 3, sizeof bytes);
        sums += __builtin_convertvector(bytes, sums_of_pixel) * weights[tap];
    }
    const sums_of_pixel zero = {0}, most = {255, 255, 255, 255};
    sums = __builtin_elementwise_min(__builtin_elementwise_max(sums >> PRECISION, zero), most);
    const bytes_of_pixel bytes = __builtin_convertvector(sums, bytes_of_pixel);
    memcpy(output, &bytes, sizeof bytes);
}

INLINE void resample_row(
    const uint8_t *input, size_t input_width, uint8_t *output, size_t width, size_t channels,
    const tapestry_taps *taps, const int32_t *weights, size_t stride) {
    for (size_t x = 0; x < width; x++, output += channels, weights += stride) {
        const uint8_t *first = input + taps[x].start * channels;
        // After a row's last pixel there may be no byte.
        if (channels == 3 && (size_t)(taps[x].start + taps[x].count) < input_width && x + 1 < width) {
            resample_rgb(first, output, taps[x].count, weights);
        } else {
            resample_pixel(first, output, channels, taps[x].count, weights);
        }
    }
}

INLINE void resample_rows(
    const uint8_t *input, size_t pitch, uint8_t *output, size_t count, tapestry_taps taps, const int32_t *weights,
    int32_t *sums) {
    for (size_t x = 0; x < count; x++) sums[x] = half;
    for (int32_t tap = 0; tap < taps.count; tap++) {
        const uint8_t *row = input + (taps.start + tap) * pitch;
        const int32_t weight = weights[tap];
        for (size_t x = 0; x < count; x++) sums[x] += row[x] * weight;
    }
    for (size_t x = 0; x < count; x++) output[x] = clip(sums[x]);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void row_avx2(
    const uint8_t *input, size_t input_width, uint8_t *output, size_t width, size_t channels,
    const tapestry_taps *taps, const int32_t *weights, size_t stride) {
    resample_row(input, input_width, output, width, channels, taps, weights, stride);
}

__attribute__((target("avx2"))) static void rows_avx2(
    const uint8_t *input, size_t pitch, uint8_t *output, size_t count, tapestry_taps taps, const int32_t *weights,
    int32_t *sums) {
    resample_rows(input, pitch, output, count, taps, weights, sums);
}
#endif

void tapestry_resample_row(
    const uint8_t *input, size_t input_width, uint8_t *output, size_t width, size_t channels,
    const tapestry_taps *taps, const int32_t *weights, size_t stride) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        row_avx2(input, input_width, output, width, channels, taps, weights, stride);
        return;
    }
#endif
    resample_row(input, input_width, output, width, channels, taps, weights, stride);
}

void tapestry_resample_rows(
    const uint8_t *input, size_t pitch, uint8_t *output, size_t count, tapestry_taps taps, const int32_t *weights,
    int32_t *sums) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        rows_avx2(input, pitch, output, count, taps, weights, sums);
        return;
    }
#endif
    resample_rows(input, pitch, output, count, taps, weights, sums);
}
