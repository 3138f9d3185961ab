// A convolution on a support as a product of matrices that never lie in memory: positions x steps by steps x outputs. A
// block computes S::rows positions of a tile of outputs, over chunks of four steps.

template <class A, class S, bool MOVES>
struct Convolve {
    static constexpr int threads = S::threads, stages = 4;
    /// Each thread copies one of a chunk's four vectors, of several rows.
    static constexpr int rows_at_once = threads / 4;
    static constexpr int left_copies = S::rows / rows_at_once;
    static constexpr int right_copies = (S::columns + rows_at_once - 1) / rows_at_once;
    static constexpr int stage_bytes = (S::rows + S::columns) * 64;
    static constexpr int pitch = S::columns + 8;
    static constexpr int shared_bytes =
        stages * stage_bytes > S::rows * pitch * 4 ? stages * stage_bytes : S::rows * pitch * 4;

    struct Thread : Fragments<A, S> {
        Origin origins[left_copies];
    };

    /// What a block is to compute.
    struct Work {
        tcu_tile tile;
        int first_row, first_chunk, chunks;

        TCU_DEVICE Work(const tcu_problem &p, int x, int y) {
            tile = p.tiles[x % p.tile_count];
            first_row = x / p.tile_count * S::rows;
            first_chunk = y * p.chunks_per_split;
            const int left = tile.step_count / TCU_CHUNK_STEPS - first_chunk;
            chunks = left < p.chunks_per_split ? left : p.chunks_per_split;
        }
    };

    static TCU_DEVICE void begin(Thread &t, const tcu_problem &p, const Work &work) {
        t.clear();
#pragma unroll
        for (int i = 0; i < left_copies; ++i)
            t.origins[i] = origin_of(p, work.first_row + t.index / 4 + i * rows_at_once);
    }

    /// Begins to copy a chunk to its stage; past the last one there is nothing to copy, but a group all the same.
    static TCU_DEVICE void copy(Thread &t, const tcu_problem &p, const Work &work, char *shared, int chunk) {
        if (chunk < work.chunks) {
            char *left = shared + chunk % stages * stage_bytes, *right = left + S::rows * 64;
            const int vector = t.index % 4;
            const tcu_step step =
                p.steps[work.tile.first_step + (work.first_chunk + chunk) * TCU_CHUNK_STEPS + vector];
#pragma unroll
            for (int i = 0; i < left_copies; ++i)
                gather<A, MOVES>(left + chunk_place(t.index / 4 + i * rows_at_once, vector), p, t.origins[i], step);
#pragma unroll
            for (int i = 0; i < right_copies; ++i) {
                const int row = t.index / 4 + i * rows_at_once;
                if (row >= S::columns) break;
                const bool is_there = row < work.tile.output_count && step.channel >= 0;
                const long long place = (long long)(work.tile.first_output + row) * p.weight_row + step.weight;
                copy_or_clear(right + chunk_place(row, vector),
                              is_there ? (const char *)p.w + place * (16 / A::vector) : nullptr, p.w);
            }
        }
        commit_copies();
    }

    /// Stores the block's sums, which lie in shared memory: whole vectors of a pixel's outputs.
    static TCU_DEVICE void store(const Thread &t, const tcu_problem &p, const Work &work, const char *shared, int split) {
        constexpr int vectors = S::columns / A::vector;
        for (int i = t.index; i < S::rows * vectors; i += threads) {
            const int row = i / vectors, column = i % vectors * A::vector;
            const int position = work.first_row + row;
            if (position >= p.positions || column >= work.tile.output_count) continue;
            const Origin place = grid_place(p, position);
            const int y = place.y * p.phase_stride_y + work.tile.phase_y;
            const int x = place.x * p.phase_stride_x + work.tile.phase_x;
            if (y >= p.out_height || x >= p.out_width) continue;
            float sums[A::vector];
#pragma unroll
            for (int j = 0; j < A::vector; ++j) sums[j] = ((const float *)shared)[row * pitch + column + j];
            const long long pixel = ((long long)place.image * p.out_height + y) * p.out_width + x;
            const int output = work.tile.first_output + column;
            if (p.splits > 1) {
                const long long size = (long long)p.images * p.out_height * p.out_width * p.outputs;
                keep<A>(p, split, size, pixel * p.outputs + output, sums);
            } else {
                finish<A>(p, pixel, output, sums);
            }
        }
    }

    template <class B>
    static TCU_DEVICE void run(B &block, const tcu_problem &p) {
        const Work work(p, block.x, block.y);
        block.each([&](Thread &t) { begin(t, p, work); });
        for (int chunk = 0; chunk < stages - 1; ++chunk)
            block.each([&](Thread &t) { copy(t, p, work, block.shared, chunk); });
        for (int chunk = 0; chunk < work.chunks; ++chunk) {
            block.each([&](Thread &) { wait_copies<stages - 2>(); });
            block.synchronize();
            // The stage that all threads left before they met.
            block.each([&](Thread &t) { copy(t, p, work, block.shared, chunk + stages - 1); });
            const char *left = block.shared + chunk % stages * stage_bytes;
#pragma unroll
            for (int step = 0; step < TCU_CHUNK_STEPS / A::vectors_per_step; ++step) {
                block.each([&](Thread &t) { take_rows<A, S>(t, left, left + S::rows * 64, step); });
                block.multiply();
            }
        }
        block.each([&](Thread &) { wait_copies<0>(); });
        block.synchronize();
        block.each([&](Thread &t) {
            t.each_sum([&](int row, int column, float sum) { ((float *)block.shared)[row * pitch + column] = sum; });
        });
        block.synchronize();
        block.each([&](Thread &t) { store(t, p, work, block.shared, block.y); });
    }

    /// The sums of all splits, finished: a thread for each vector of y.
    static TCU_DEVICE void reduce(const tcu_problem &p, long long index) {
        const long long size = (long long)p.images * p.out_height * p.out_width * p.outputs;
        if (index >= size / A::vector) return;
        float sums[A::vector];
        sum_of_splits<A>(p, size, index * A::vector, sums);
        const int vectors = p.outputs / A::vector;
        finish<A>(p, index / vectors, (int)(index % vectors) * A::vector, sums);
    }
};
