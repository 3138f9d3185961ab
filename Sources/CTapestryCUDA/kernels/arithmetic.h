// Elements, and how two fragments of them are multiplied. Fragments are those of the tensor cores' instructions: 16 rows
// by 8 columns of sums in 32 lanes, of which lane l has rows l / 4 and 8 below, columns l % 4 * 2 and the next.

TCU_DEVICE int divided(int n, tcu_divisor by) {
    return (int)((multiply_high((unsigned)n, by.multiplier) + (unsigned)n) >> by.shift);
}

/// 16 bytes of elements.
struct alignas(16) Vector {
    unsigned words[4];
};

TCU_DEVICE unsigned bfloat16_bits(float value) {
    const unsigned bits = bits_of(value);
    // A NaN stays one; anything else goes to the nearest, of two to the even one.
    return (bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 | 0x40u) : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

struct Bfloat16 {
    /// Elements of a vector; vectors that one multiplication takes.
    static constexpr int vector = 8, vectors_per_step = 2;
    static constexpr bool is_collective = true, halves = true;
    struct Left {
        unsigned words[4];
    };
    struct Right {
        unsigned words[2];
    };

    static TCU_DEVICE void multiply(float (&sum)[4], const Left &a, const Right &b) {
        multiply_bfloat16(sum, a.words, b.words);
    }
    static TCU_DEVICE unsigned prepared(unsigned word) { return word; }

    static TCU_DEVICE void unpack(const Vector &packed, float (&values)[vector]) {
#pragma unroll
        for (int i = 0; i < vector; ++i)
            values[i] = float_of(i % 2 ? packed.words[i / 2] & 0xffff0000u : packed.words[i / 2] << 16);
    }
    static TCU_DEVICE Vector pack(const float (&values)[vector]) {
        Vector packed;
#pragma unroll
        for (int i = 0; i < vector / 2; ++i)
            packed.words[i] = bfloat16_bits(values[2 * i]) | bfloat16_bits(values[2 * i + 1]) << 16;
        return packed;
    }
};

/// What the two kinds of floats share.
struct Floats {
    static constexpr int vector = 4;
    static constexpr bool halves = false;

    static TCU_DEVICE void unpack(const Vector &packed, float (&values)[vector]) {
#pragma unroll
        for (int i = 0; i < vector; ++i) values[i] = float_of(packed.words[i]);
    }
    static TCU_DEVICE Vector pack(const float (&values)[vector]) {
        Vector packed;
#pragma unroll
        for (int i = 0; i < vector; ++i) packed.words[i] = bits_of(values[i]);
        return packed;
    }
};

/// Floats rounded to TF32 as they go into tensor cores.
struct TensorFloat32 : Floats {
    static constexpr int vectors_per_step = 2;
    static constexpr bool is_collective = true;
    using Left = Bfloat16::Left;
    using Right = Bfloat16::Right;

    static TCU_DEVICE void multiply(float (&sum)[4], const Left &a, const Right &b) {
        multiply_tf32(sum, a.words, b.words);
    }
    static TCU_DEVICE unsigned prepared(unsigned word) { return rounded_to_tf32(word); }
};

/// Floats as they are: each lane computes what it would hold of a tensor core's sums.
struct Float32 : Floats {
    static constexpr int vectors_per_step = 1;
    static constexpr bool is_collective = false;
    /// Four elements of each of the lane's two rows, and of its two columns.
    struct Left {
        float values[2][4];
    };
    struct Right {
        float values[2][4];
    };

    static TCU_DEVICE void multiply(float (&sum)[4], const Left &a, const Right &b) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
#pragma unroll
            for (int i = 0; i < 4; ++i) sum[i] = multiply_add(a.values[i / 2][k], b.values[i % 2][k], sum[i]);
        }
    }
};

/// What a block computes: ROWS x COLUMNS sums, by warps that have equal rectangles of them.
template <int ROWS, int COLUMNS, int WARPS_DOWN, int WARPS_ACROSS>
struct Shape {
    static constexpr int rows = ROWS, columns = COLUMNS;
    static constexpr int warps_across = WARPS_ACROSS, warps = WARPS_DOWN * WARPS_ACROSS, threads = 32 * warps;
    static constexpr int warp_rows = ROWS / WARPS_DOWN, warp_columns = COLUMNS / WARPS_ACROSS;
    static_assert(warp_rows % 16 == 0 && warp_columns % 16 == 0, "a warp has whole fragments, two across at least");
};

/// What a thread keeps in registers: its sums and the fragments that are being multiplied.
template <class ArithmeticType, class S>
struct Fragments {
    using Arithmetic = ArithmeticType;
    static constexpr int fragment_rows = S::warp_rows / 16, fragment_columns = S::warp_columns / 8;
    int index;
    float sums[fragment_rows][fragment_columns][4];
    typename Arithmetic::Left left[fragment_rows];
    typename Arithmetic::Right right[fragment_columns];

    TCU_DEVICE int lane() const { return index % 32; }
    /// Where the warp's rectangle begins.
    TCU_DEVICE int first_row() const { return index / 32 / S::warps_across * S::warp_rows; }
    TCU_DEVICE int first_column() const { return index / 32 % S::warps_across * S::warp_columns; }

    TCU_DEVICE void clear() {
#pragma unroll
        for (int i = 0; i < fragment_rows; ++i) {
#pragma unroll
            for (int j = 0; j < fragment_columns; ++j) {
#pragma unroll
                for (int k = 0; k < 4; ++k) sums[i][j][k] = 0;
            }
        }
    }

    /// Calls `body(row, column, sum)` for each of the thread's sums.
    template <class Body>
    TCU_DEVICE void each_sum(Body &&body) {
#pragma unroll
        for (int i = 0; i < fragment_rows; ++i) {
#pragma unroll
            for (int j = 0; j < fragment_columns; ++j) {
#pragma unroll
                for (int k = 0; k < 4; ++k)
                    body(first_row() + i * 16 + k / 2 * 8 + lane() / 4, first_column() + j * 8 + lane() % 4 * 2 + k % 2,
                         sums[i][j][k]);
            }
        }
    }
};
