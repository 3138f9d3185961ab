// The part of libjpeg that reads an image in memory. Every function of it may leave by longjmp to `escape`.
#include "CTapestryImages.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

// More scans than an encoder makes: each goes over all of the image.
enum { SCAN_LIMIT = 500 };

struct tapestry_jpeg {
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
    tapestry_region region;
    uint8_t *row;
};

static void leave(j_common_ptr codec) {
    tapestry_jpeg *jpeg = codec->client_data;
    codec->err->format_message(codec, jpeg->message);
    longjmp(jpeg->escape, 1);
}

// A warning is damage that libjpeg would paint over. Published data sets have images with stray bytes between markers,
// which every decoder steps over.
static void warn(j_common_ptr codec, int level) {
    if (level < 0 && codec->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(codec);
}

static void limit_scans(j_common_ptr codec) {
    tapestry_jpeg *jpeg = codec->client_data;
    if (jpeg->codec.input_scan_number <= SCAN_LIMIT) return;
    snprintf(jpeg->message, sizeof jpeg->message, "more than %d scans", SCAN_LIMIT);
    longjmp(jpeg->escape, 1);
}

tapestry_jpeg *tapestry_jpeg_open(const uint8_t *bytes, size_t count) {
    tapestry_jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (!jpeg) return NULL;
    jpeg->codec.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = leave;
    jpeg->errors.emit_message = warn;
    jpeg->codec.client_data = jpeg;
    if (setjmp(jpeg->escape)) {
        tapestry_jpeg_close(jpeg);
        return NULL;
    }
    jpeg_create_decompress(&jpeg->codec);
    jpeg_mem_src(&jpeg->codec, bytes, count);
    jpeg->progress.progress_monitor = limit_scans;
    jpeg->codec.progress = &jpeg->progress;
    return jpeg;
}

void tapestry_jpeg_close(tapestry_jpeg *jpeg) {
    jpeg_destroy_decompress(&jpeg->codec);
    free(jpeg->row);
    free(jpeg);
}

const char *tapestry_jpeg_message(const tapestry_jpeg *jpeg) { return jpeg->message; }

static bool has_four_colours(const struct jpeg_decompress_struct *codec) {
    return codec->jpeg_color_space == JCS_CMYK || codec->jpeg_color_space == JCS_YCCK;
}

bool tapestry_jpeg_header(tapestry_jpeg *jpeg, size_t *height, size_t *width, bool *has_more_scans) {
    if (setjmp(jpeg->escape)) return false;
    jpeg_read_header(&jpeg->codec, TRUE);
    *height = jpeg->codec.image_height;
    *width = jpeg->codec.image_width;
    *has_more_scans = jpeg_has_multiple_scans(&jpeg->codec);
    jpeg->codec.out_color_space = has_four_colours(&jpeg->codec) ? JCS_CMYK : JCS_RGB;
    return true;
}

// Widens the region's columns until those asked for are as in the whole image: colours are smoothed across the samples
// beside them, and otherwise at the image's edges or where there are but few. Libjpeg begins at a multiple of its blocks.
static void widen(const struct jpeg_decompress_struct *codec, tapestry_region *region) {
    const size_t block = (size_t)codec->max_h_samp_factor * DCTSIZE, margin = codec->max_h_samp_factor;
    const size_t width = codec->output_width;
    size_t first = region->left > margin ? region->left - margin : 0;
    size_t last = region->left + region->width;
    first -= first % block;
    last = width - last > margin ? last + margin : width;
    if (last - first < block) last = width - first > block ? first + block : width;
    if (last - first < block) first = first > block ? first - block : 0;
    region->left = first;
    region->width = last - first;
}

bool tapestry_jpeg_start(tapestry_jpeg *jpeg, tapestry_region *region) {
    struct jpeg_decompress_struct *codec = &jpeg->codec;
    if (setjmp(jpeg->escape)) return false;
    // Scans that say less of some blocks than of others are smoothed across blocks.
    const bool has_more_scans = jpeg_has_multiple_scans(codec);
    jpeg_start_decompress(codec);
    if (has_more_scans) *region = (tapestry_region){0, 0, codec->output_height, codec->output_width};
    widen(codec, region);
    if (region->width < codec->output_width) {
        JDIMENSION left = region->left, width = region->width;
        jpeg_crop_scanline(codec, &left, &width);
        region->left = left;
        region->width = width;
    }
    jpeg->region = *region;
    jpeg->row = malloc(region->width * codec->output_components);
    if (jpeg->row) return true;
    snprintf(jpeg->message, sizeof jpeg->message, "no memory for a row of it");
    return false;
}

static uint8_t product(unsigned a, unsigned b) {
    const unsigned product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

// Inks are stored as their complements, as Adobe's programs do. Source: Pillow, src/libImaging/Convert.c, cmyk2rgb.
static void mix(const uint8_t *inks, uint8_t *pixels, size_t count) {
    for (size_t pixel = 0; pixel < count; pixel++, inks += 4, pixels += 3) {
        for (int ink = 0; ink < 3; ink++) {
            const int value = inks[3] - product(255 - inks[ink], inks[3]);
            pixels[ink] = value < 0 ? 0 : value;
        }
    }
}

static void read_row(tapestry_jpeg *jpeg, uint8_t *output) {
    JSAMPROW row = has_four_colours(&jpeg->codec) || !output ? jpeg->row : output;
    // The source never waits for bytes, so a row comes or an error.
    while (jpeg_read_scanlines(&jpeg->codec, &row, 1) == 0) {}
    if (output && row != output) mix(row, output, jpeg->region.width);
}

bool tapestry_jpeg_finish(tapestry_jpeg *jpeg, uint8_t *pixels) {
    struct jpeg_decompress_struct *codec = &jpeg->codec;
    if (setjmp(jpeg->escape)) return false;
    if (jpeg->region.top > 0) jpeg_skip_scanlines(codec, jpeg->region.top);
    for (size_t y = 0; y < jpeg->region.height; y++) read_row(jpeg, pixels + y * jpeg->region.width * 3);
    // Told to skip to the end, libjpeg would not look at what it skips.
    const JDIMENSION below = codec->output_height - codec->output_scanline;
    if (below > 1) jpeg_skip_scanlines(codec, below - 1);
    if (below > 0) read_row(jpeg, NULL);
    jpeg_finish_decompress(codec);
    return true;
}
