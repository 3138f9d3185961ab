// Prints what a model sees in an image of the network's size. From the root of a clone of Tapestry:
//     ./dev library build
//     cc -Ibuild/include Examples/ClassifyImageInC/classify.c -Lbuild/lib -ltapestry -Wl,-rpath,$PWD/build/lib -o classify
//     ./classify MODEL IMAGE.ppm
#include <stdio.h>
#include <stdlib.h>
#include <tapestry.h>

static void require(int holds, const char *message) {
    if (holds) return;
    fprintf(stderr, "%s\n", message);
    exit(1);
}

static size_t count(tapestry_shape shape) {
    return shape.dimensions[0] * shape.dimensions[1] * shape.dimensions[2];
}

int main(int argc, char **argv) {
    require(argc == 3, "usage: classify MODEL IMAGE.ppm");
    tapestry_network *network = tapestry_open(argv[1], 1, 1, TAPESTRY_FP32);
    require(network != NULL, tapestry_last_error());
    const tapestry_shape input = tapestry_input_shape(network);
    const size_t pixels = count(input), classes = count(tapestry_output_shape(network));

    // A binary PPM file without comments.
    size_t width, height;
    FILE *file = fopen(argv[2], "rb");
    require(file && fscanf(file, "P6 %zu %zu 255", &width, &height) == 2 && fgetc(file) != EOF, "no binary PPM file");
    require(input.dimensions[0] == 3 && input.dimensions[1] == height && input.dimensions[2] == width,
            "the image is not of the network's size");
    uint8_t *bytes = malloc(pixels);
    float *values = malloc(pixels * sizeof *values), *scores = malloc(classes * sizeof *scores);
    require(bytes && values && scores, "no memory");
    require(fread(bytes, 1, pixels, file) == pixels, "the image is cut short");
    fclose(file);

    require(tapestry_normalize(network, bytes, values) == 0, tapestry_last_error());
    require(tapestry_run(network, values, 1, TAPESTRY_PLANAR, scores) == 0, tapestry_last_error());
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        if (scores[i] > scores[best]) best = i;
    const char *name = tapestry_class_name(network, best);
    if (name)
        printf("%s\n", name);
    else
        printf("class %zu\n", best);

    free(bytes), free(values), free(scores);
    tapestry_close(network);
    return 0;
}
