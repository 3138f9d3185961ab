// The gradient of the weights on a support: a product of steps x positions by positions x outputs. A block computes a
// patch: S::rows channels (the vectors of a tile's steps) by the tile's outputs, over a range of positions.

template <class A, class S, bool MOVES>
struct Weigh {
    static constexpr int threads = S::threads, stages = 4;
    static constexpr int element_bytes = 16 / A::vector;
    /// Positions that go through shared memory together.
    static constexpr int chunk = 64 / element_bytes;
    static constexpr int left_pitch = pitch_across<A>(S::rows), right_pitch = pitch_across<A>(S::columns);
    static constexpr int left_vectors = S::rows / A::vector, right_vectors = S::columns / A::vector;
    static constexpr int left_copies = chunk * left_vectors / threads;
    static constexpr int right_copies = (chunk * right_vectors + threads - 1) / threads;
    static_assert(threads % left_vectors == 0 && threads % right_vectors == 0, "a thread copies one column of vectors");
    static constexpr int stage_bytes = chunk * (left_pitch + right_pitch);
    static constexpr int pitch = S::rows + 4;
    static constexpr int shared_bytes =
        stages * stage_bytes > S::columns * pitch * 4 ? stages * stage_bytes : S::columns * pitch * 4;

    struct Thread : Fragments<A, S> {
        tcu_step step;
    };

    struct Work {
        tcu_tile tile;
        int first_step, first_chunk, chunks;

        TCU_DEVICE Work(const tcu_problem &p, int x, int y) {
            const tcu_patch patch = p.patches[x];
            tile = p.tiles[patch.tile];
            first_step = patch.step;
            first_chunk = y * p.chunks_per_split;
            const int left = (p.positions + chunk - 1) / chunk - first_chunk;
            chunks = left < p.chunks_per_split ? left : p.chunks_per_split;
        }

        TCU_DEVICE tcu_step step(const tcu_problem &p, int row) const {
            const int step = first_step + row;
            if (step < tile.step_count) return p.steps[tile.first_step + step];
            return {0, 0, TCU_NOTHING, 0};
        }
    };

    static TCU_DEVICE void copy(Thread &t, const tcu_problem &p, const Work &work, char *shared, int number) {
        if (number < work.chunks) {
            char *left = shared + number % stages * stage_bytes, *right = left + chunk * left_pitch;
            const int first = (work.first_chunk + number) * chunk;
#pragma unroll
            for (int i = 0; i < left_copies; ++i) {
                const int term = t.index / left_vectors + i * (threads / left_vectors);
                gather<A, MOVES>(left + term * left_pitch + t.index % left_vectors * 16, p, origin_of(p, first + term),
                                 t.step);
            }
#pragma unroll
            for (int i = 0; i < right_copies; ++i) {
                const int term = t.index / right_vectors + i * (threads / right_vectors);
                if (term >= chunk) break;
                const int column = t.index % right_vectors * A::vector;
                const bool is_there = first + term < p.positions && column < work.tile.output_count;
                const long long place = (long long)(first + term) * p.outputs + work.tile.first_output + column;
                copy_or_clear(right + term * right_pitch + column * element_bytes,
                              is_there ? (const char *)p.w + place * element_bytes : nullptr, p.w);
            }
        }
        commit_copies();
    }

    static TCU_DEVICE void store(const Thread &t, const tcu_problem &p, const Work &work, const char *shared, int split) {
        for (int i = t.index; i < S::columns * left_vectors; i += threads) {
            const int output = i / left_vectors, vector = i % left_vectors;
            const tcu_step step = work.step(p, vector);
            if (output >= work.tile.output_count || step.channel < 0) continue;
            float sums[A::vector];
#pragma unroll
            for (int j = 0; j < A::vector; ++j)
                sums[j] = ((const float *)shared)[output * pitch + vector * A::vector + j];
            const long long place = (long long)(work.tile.first_output + output) * p.weight_row + step.weight;
            if (p.splits > 1) keep<A>(p, split, (long long)p.outputs * p.weight_row, place, sums);
            else ((Vector *)p.y)[place / A::vector] = A::pack(sums);
        }
    }

    template <class B>
    static TCU_DEVICE void run(B &block, const tcu_problem &p) {
        const Work work(p, block.x, block.y);
        block.each([&](Thread &t) {
            t.clear();
            t.step = work.step(p, t.index % left_vectors);
        });
        for (int number = 0; number < stages - 1; ++number)
            block.each([&](Thread &t) { copy(t, p, work, block.shared, number); });
        for (int number = 0; number < work.chunks; ++number) {
            block.each([&](Thread &) { wait_copies<stages - 2>(); });
            block.synchronize();
            block.each([&](Thread &t) { copy(t, p, work, block.shared, number + stages - 1); });
            const char *left = block.shared + number % stages * stage_bytes;
#pragma unroll
            for (int step = 0; step < 4 / A::vectors_per_step; ++step) {
                block.each([&](Thread &t) { take_columns<A, S>(t, left, left + chunk * left_pitch, step); });
                block.multiply();
            }
        }
        block.each([&](Thread &) { wait_copies<0>(); });
        block.synchronize();
        block.each([&](Thread &t) {
            t.each_sum([&](int row, int column, float sum) { ((float *)block.shared)[column * pitch + row] = sum; });
        });
        block.synchronize();
        block.each([&](Thread &t) { store(t, p, work, block.shared, block.y); });
    }

    /// The sums of all splits: a thread for each output and vector of a patch.
    static TCU_DEVICE void reduce(const tcu_problem &p, int patch, int index) {
        const Work work(p, patch, 0);
        const int output = index / left_vectors;
        const tcu_step step = work.step(p, index % left_vectors);
        if (output >= work.tile.output_count || step.channel < 0) return;
        const long long place = (long long)(work.tile.first_output + output) * p.weight_row + step.weight;
        float sums[A::vector];
        sum_of_splits<A>(p, (long long)p.outputs * p.weight_row, place, sums);
        ((Vector *)p.y)[place / A::vector] = A::pack(sums);
    }
};
