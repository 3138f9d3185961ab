// Channels moved by a tap each: reads and writes every value once, so that memory is all that it waits for.

/// The element that a channel of a pixel of y takes; negative where that is outside the image.
TCU_DEVICE long long moved_from(const tcu_shift &p, const Origin &to, int channel) {
    const int y = to.y * p.stride_y + p.moves[2 * channel], x = to.x * p.stride_x + p.moves[2 * channel + 1];
    const int row = y / p.divisor_y, column = x / p.divisor_x;
    const bool is_pixel = y >= 0 && x >= 0 && row < p.height && column < p.width && row * p.divisor_y == y &&
                          column * p.divisor_x == x;
    return is_pixel ? (((long long)to.image * p.height + row) * p.width + column) * p.channels + channel : -1;
}

/// A thread for each vector of y.
template <class A>
TCU_DEVICE void shift(const tcu_shift &p, long long index) {
    const int vectors = p.channels / A::vector;
    const long long pixel = index / vectors;
    if (pixel >= (long long)p.images * p.out_y.value * p.out_x.value) return;
    const int channel = (int)(index - pixel * vectors) * A::vector;
    const int row = divided((int)pixel, p.out_x), image = divided(row, p.out_y);
    const Origin to = {image, row - image * (int)p.out_y.value, (int)pixel - row * (int)p.out_x.value};
    Vector moved = {};
#pragma unroll
    for (int i = 0; i < A::vector; ++i) {
        const long long from = moved_from(p, to, channel + i);
        if (from < 0) continue;
        if constexpr (A::halves) moved.words[i / 2] |= (unsigned)((const unsigned short *)p.x)[from] << i % 2 * 16;
        else moved.words[i] = ((const unsigned *)p.x)[from];
    }
    ((Vector *)p.y)[index] = moved;
}
