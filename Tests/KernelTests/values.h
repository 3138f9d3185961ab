// Values as kernels have them, and the same numbers densely: image by image, channel by channel, row by row.
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

/// A value's memory: `lead` floats, the images, and behind them room for two vectors to be read.
typedef struct {
    tk_image image;
    int32_t images;
    int64_t lead, size;
    float *memory;
    /// The first pixel.
    float *first;
} value;

/// A value with channels last, at times with more padding than it needs. Nothing is written into it.
value make_value(stream *, extents, int32_t images, pads);

/// One whose pixels are as far apart as another's.
value make_companion(stream *, const value *, extents, int32_t images, pads);

/// One in planes.
value make_planes(extents, int32_t images, pads);

/// Another one of the same layout.
value make_twin(const value *);

/// What lies around the pixels of a value that is filled.
typedef enum {
    /// Zeros, as taps that reach out of the image need.
    ZEROS,
    /// Not-a-numbers, where nothing may be read.
    NOTHING,
} surroundings;

/// Writes dense numbers. A pixel's channels that are no real ones hold not-a-numbers either way.
void fill(const value *, const float *dense, surroundings);

/// So many dense random numbers between -1 and 1.
float *random_floats(stream *, int64_t count);

/// The value's numbers, densely.
float *collect(const value *);

/// Where in a value a number lies that is at `index` densely, from the first pixel on.
int64_t offset_of(const value *, int64_t index);

/// Fails unless everything around the pixels is as it was when the value was made. Channels that are no real ones may
/// have changed.
void expect_untouched_surroundings(const value *);

/// Fails unless each of `count` numbers is what is expected. `what` names the numbers.
void expect_within(const char *what, const float *actual, const bound *expected, int64_t count);
void expect_same(const char *what, const float *actual, const float *expected, int64_t count);
