// Values as kernels have them, and the same numbers densely: floats, image by image, channel by channel, row by row.
//
// Elements of values have the size that a kernel's table says: floats, or their upper halves.
#pragma once
#include "harness.h"

typedef struct {
    int32_t channels, height, width;
} extents;

static inline int64_t count_of(extents e) { return (int64_t)e.channels * e.height * e.width; }

/// Zeros that taps reach: rows above and below the image, columns before and behind its rows.
typedef struct {
    int32_t rows, columns;
} pads;

/// A value's memory, in elements: `lead` of them, the images, and behind them room to be read.
typedef struct {
    tk_image image;
    int32_t images;
    int32_t element_size;
    int64_t lead, room;
    /// The first pixel.
    void *first;
} value;

/// A value with channels last, at times with more padding than it needs. Nothing is written into it.
value make_value(stream *, int32_t element_size, extents, int32_t images, pads);

/// One whose pixels are as far apart as another's.
value make_companion(stream *, const value *, extents, int32_t images, pads);

/// Where floats lie in planes.
tk_image planes_of(extents, pads);

/// A value in planes.
value make_planes(extents, int32_t images, pads);

/// A value of any layout with so many elements before and behind its images.
value make_between(int32_t element_size, const tk_image *, int32_t images, int64_t lead, int64_t room);

/// A value without padding or pads.
value make_dense(int32_t element_size, extents, int32_t images);

/// Another one of the same layout.
value make_twin(const value *);

/// The layout of a value of elements that are so many times as large, with distances in the smaller ones.
tk_image in_elements(tk_image, int32_t times);

/// What lies around the pixels of a value that is filled.
typedef enum {
    /// Zeros, as taps that reach out of the image need.
    ZEROS,
    /// Not-a-numbers, where nothing may be read.
    NOTHING,
} surroundings;

/// Writes dense numbers, which elements must be able to hold. A pixel's channels that are no real ones hold
/// not-a-numbers either way, but for one that completes a word.
void fill(const value *, const float *dense, surroundings);

/// So many random numbers between -1 and 1.
float *random_floats(stream *, int64_t count);

/// Those that elements of so many bytes can hold.
float *random_elements(stream *, int32_t element_size, int64_t count);

/// The value's numbers, densely.
float *collect(const value *);

/// Where in a value a number lies that is at `index` densely, from the first pixel on.
int64_t offset_of(const value *, int64_t index);

/// So many elements behind the first pixel: where that is, and the number there.
void *place_of(const value *, int64_t offset);
float number_at(const value *, int64_t offset);

/// Fails unless everything around the pixels is as it was when the value was made. Channels that are no real ones may
/// have changed, but what completes a word must be a number.
void expect_untouched_surroundings(const value *);

/// Fails unless there are zeros around the planes, none before the first one, and nothing behind the last image.
void expect_zeros_around(const value *);

/// What an element of so many bytes makes of a number: itself, or the nearest with 8 significant bits, of two the even
/// one.
double rounded(int32_t element_size, double);

/// A word of one number, or of two that elements of 2 bytes hold, the first one in the lower bits.
float word_of(int32_t elements, const float numbers[2]);

/// What may be stored of a number that is within a bound.
bound rounded_bound(int32_t element_size, bound);

/// Fails unless each of `count` numbers is what is expected. `what` names the numbers.
void expect_within(const char *what, const float *actual, const bound *expected, int64_t count);
void expect_same(const char *what, const float *actual, const float *expected, int64_t count);
