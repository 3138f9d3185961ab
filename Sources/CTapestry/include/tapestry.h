// Tapestry for C, and for the languages that call C: networks are read from model files and run on the processor.
//
//     tapestry_network *network = tapestry_open("model.safetensors", 1, 2, TAPESTRY_FP32);
//     if (!network) die(tapestry_last_error());
//     float scores[1000];
//     if (tapestry_run(network, images, 1, TAPESTRY_PLANAR, scores) != 0) die(tapestry_last_error());
//     tapestry_close(network);
//
// `./dev library FOLDER` in a clone of Tapestry makes this header's libraries. Nothing here prints, exits or keeps state
// between calls, but for each thread's last error.
#ifndef TAPESTRY_H
#define TAPESTRY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPESTRY_VERSION "0.1.0"

// A network that is ready to run. It never changes: any number of threads may use it at once, except while it is closed.
typedef struct tapestry_network tapestry_network;

// The extents of an image or a result: channels, height and width, or the length of a vector.
typedef struct tapestry_shape {
    // 1 or 3: so many `dimensions` count, the others are 1.
    size_t rank;
    size_t dimensions[3];
} tapestry_shape;

// How the numbers of an image lie.
typedef enum tapestry_order {
    // Channel by channel (NCHW).
    TAPESTRY_PLANAR = 0,
    // Pixel by pixel (NHWC).
    TAPESTRY_CHANNELS_LAST = 1
} tapestry_order;

// What values are stored in between layers.
typedef enum tapestry_precision {
    // 32-bit floats.
    TAPESTRY_FP32 = 0,
    // Their upper halves (bfloat16): 8 significant bits, and about twice as fast where processors multiply pairs of them.
    TAPESTRY_BF16 = 1
} tapestry_precision;

// Of the library, which may be another than that of the header.
const char *tapestry_version(void);

// Reads the model file at `path`, trained or deployed, packed or not, and makes it ready for `batch` images at a time,
// which is how many are fastest; any other number can be run too. `threads` is how many compute at most; one call has
// them, those that come meanwhile compute on their own. Both are at least 1.
//
// Null where that fails; `tapestry_last_error` says why.
tapestry_network *tapestry_open(const char *path, size_t batch, size_t threads, tapestry_precision precision);

// Frees the network. Null is ignored. No other thread may be using it.
void tapestry_close(tapestry_network *network);

// Of one image.
tapestry_shape tapestry_input_shape(const tapestry_network *network);

// Of the result for one image; of a classifier, the scores of its classes before any softmax.
tapestry_shape tapestry_output_shape(const tapestry_network *network);

// The name of a class as the model file has it, in UTF-8; null where it has none. It lives as long as the network.
const char *tapestry_class_name(const tapestry_network *network, size_t index);

// Turns the bytes of an image (H x W x C, row by row) into the network's input (C x H x W) as the images were on which
// it was trained: `input` has room for all elements of the input's shape.
//
// 0; or -1 where the file does not say how, or says what cannot be.
int tapestry_normalize(const tapestry_network *network, const uint8_t *pixels, float *input);

// Runs `count` images, which lie one behind the other, and writes their results likewise. `results` has room for `count`
// times the elements of the output's shape. The results of an image are equal to the bit whatever `count` and `threads`
// are. After a thread's first call nothing is allocated.
//
// 0; or -1 where an argument cannot be.
int tapestry_run(
    const tapestry_network *network, const float *images, size_t count, tapestry_order order, float *results);

// Why this thread's last failing call failed, in one line of UTF-8: the file, the place in it, what was expected. It
// stays until the thread's next failure. Empty before the first.
const char *tapestry_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
