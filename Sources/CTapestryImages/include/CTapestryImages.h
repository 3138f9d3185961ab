// What of reading and resizing images is C: libjpeg leaves its functions by longjmp, and rows of pixels are resampled in
// vectors of several widths.
#ifndef CTAPESTRY_IMAGES_H
#define CTAPESTRY_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- JPEG, as RGB, with the accurate inverse transform and smooth upsampling, as Pillow decodes ---

typedef struct tapestry_jpeg tapestry_jpeg;

// Pixels of an image: those of `height` rows from `top` on and of `width` columns from `left` on.
typedef struct {
    size_t top, left, height, width;
} tapestry_region;

// Begins to read the `count` bytes at `bytes`, which must stay until it is closed. NULL where memory lacks.
tapestry_jpeg *tapestry_jpeg_open(const uint8_t *bytes, size_t count);
void tapestry_jpeg_close(tapestry_jpeg *jpeg);

// The functions below are called in this order, and give false where the bytes are no whole image: the message says why.
const char *tapestry_jpeg_message(const tapestry_jpeg *jpeg);

bool tapestry_jpeg_header(tapestry_jpeg *jpeg, size_t *height, size_t *width, bool *has_more_scans);

// Prepares to decode a region, which must not be empty and lie in the image. It becomes the larger one that will be
// decoded: of an image of one scan about as much as is needed for equal pixels in the region, of others all.
bool tapestry_jpeg_start(tapestry_jpeg *jpeg, tapestry_region *region);

// Writes the region's pixels (height x width x 3). What is below it is read too, and an error where it is damaged: so
// whether an image is whole does not depend on the region.
bool tapestry_jpeg_finish(tapestry_jpeg *jpeg, uint8_t *pixels);

// --- Resampling, in fixed point of 22 fractional bits, as Pillow does ---

// Of which inputs an output is the sum: of `count` from `start` on, each times a weight.
typedef struct {
    int32_t start, count;
} tapestry_taps;

// Makes a row of `width` pixels of the row of `input_width` at `input`, `channels` (1 or 3) bytes each. The weights of
// output x begin at `weights + x * stride`.
void tapestry_resample_row(
    const uint8_t *input, size_t input_width, uint8_t *output, size_t width, size_t channels,
    const tapestry_taps *taps, const int32_t *weights, size_t stride);

// Makes a row of `count` bytes of the rows at `input`, each `pitch` bytes after the one before. `sums` has room for
// `count` numbers.
void tapestry_resample_rows(
    const uint8_t *input, size_t pitch, uint8_t *output, size_t count, tapestry_taps taps, const int32_t *weights,
    int32_t *sums);

#endif
