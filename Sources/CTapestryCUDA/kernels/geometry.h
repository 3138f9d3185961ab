// Which pixel a position reads, and what becomes of an output's sum.

/// Where a position's taps are counted from. Outside every image where there is no such position.
struct Origin {
    int image, y, x;
};

TCU_DEVICE Origin grid_place(const tcu_problem &p, int position) {
    const int row = divided(position, p.grid_x);
    const int image = divided(row, p.grid_y);
    return {image, row - image * (int)p.grid_y.value, position - row * (int)p.grid_x.value};
}

TCU_DEVICE Origin origin_of(const tcu_problem &p, int position) {
    if (position >= p.positions) return {0, -(1 << 29), 0};
    const Origin place = grid_place(p, position);
    return {place.image, place.y * p.stride_y, place.x * p.stride_x};
}

/// Begins to copy the vector at `source`, or zeros where there is none. Even then the address is one of ours.
TCU_DEVICE void copy_or_clear(char *place, const void *source, const void *anywhere) {
    copy_vector(place, source ? source : anywhere, source != nullptr);
}

/// The vector that `step` reads for a position; null outside the image.
template <class A>
TCU_DEVICE const void *input_vector(const tcu_problem &p, const Origin &origin, const tcu_step &step) {
    const int y = origin.y + step.dy, x = origin.x + step.dx;
    const bool is_inside = (unsigned)y < (unsigned)p.height && (unsigned)x < (unsigned)p.width && step.channel >= 0;
    if (!is_inside) return nullptr;
    const long long pixel = ((long long)origin.image * p.height + y) * p.width + x;
    return (const char *)p.x + (pixel * p.channels + step.channel) * (16 / A::vector);
}

/// The vector of channels that `step` reads for a position where each channel moves by itself.
template <class A>
TCU_DEVICE Vector moved_vector(const tcu_problem &p, const Origin &origin, const tcu_step &step) {
    Vector moved = {};
    if (step.channel < 0) return moved;
#pragma unroll
    for (int i = 0; i < A::vector; ++i) {
        const int channel = step.channel + i;
        const int y = origin.y + step.dy + p.moves[2 * channel], x = origin.x + step.dx + p.moves[2 * channel + 1];
        if ((unsigned)y >= (unsigned)p.height || (unsigned)x >= (unsigned)p.width) continue;
        const long long place = (((long long)origin.image * p.height + y) * p.width + x) * p.channels + channel;
        if constexpr (A::halves) moved.words[i / 2] |= (unsigned)((const unsigned short *)p.x)[place] << i % 2 * 16;
        else moved.words[i] = ((const unsigned *)p.x)[place];
    }
    return moved;
}

/// Brings to `place` what `step` reads for a position: the copy is under way, or done where channels move.
template <class A, bool MOVES>
TCU_DEVICE void gather(char *place, const tcu_problem &p, const Origin &origin, const tcu_step &step) {
    if constexpr (MOVES) *(Vector *)place = moved_vector<A>(p, origin, step);
    else copy_or_clear(place, input_vector<A>(p, origin, step), p.x);
}

TCU_DEVICE float activated(float x, int activation) {
    switch (activation) {
    case TCU_RELU: return x < 0 ? 0 : x;
    case TCU_SIGMOID: return 1 / (1 + exponential(-x));
    case TCU_SWISH: return x / (1 + exponential(-x));
    default: return x;
    }
}

/// Stores a pixel's sums of outputs `output` and the next, scaled and so on.
template <class A>
TCU_DEVICE void finish(const tcu_problem &p, long long pixel, int output, float (&sums)[A::vector]) {
    const long long place = pixel * p.outputs + output;
    float residual[A::vector] = {};
    if (p.residual) A::unpack(((const Vector *)p.residual)[place / A::vector], residual);
#pragma unroll
    for (int i = 0; i < A::vector; ++i) {
        float y = sums[i];
        if (p.scale) y *= p.scale[output + i];
        if (p.bias) y += p.bias[output + i];
        sums[i] = activated(y + residual[i], p.activation);
    }
    ((Vector *)p.y)[place / A::vector] = A::pack(sums);
}

/// Stores sums at `place` of what split `split` has of y, to be reduced.
template <class A>
TCU_DEVICE void keep(const tcu_problem &p, int split, long long size, long long place, const float (&sums)[A::vector]) {
    Vector *kept = (Vector *)(p.workspace + split * size + place);
#pragma unroll
    for (int i = 0; i < A::vector / 4; ++i) {
        const float four[4] = {sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]};
        kept[i] = Floats::pack(four);
    }
}

/// The sum over all splits, in their order, of what each has at `place`.
template <class A>
TCU_DEVICE void sum_of_splits(const tcu_problem &p, long long size, long long place, float (&sums)[A::vector]) {
#pragma unroll
    for (int i = 0; i < A::vector; ++i) sums[i] = 0;
    for (int split = 0; split < p.splits; ++split) {
        const Vector *kept = (const Vector *)(p.workspace + split * size + place);
#pragma unroll
        for (int i = 0; i < A::vector / 4; ++i) {
            float four[4];
            Floats::unpack(kept[i], four);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[4 * i + j] += four[j];
        }
    }
}
