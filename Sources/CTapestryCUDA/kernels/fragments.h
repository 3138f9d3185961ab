// From shared memory to fragments: what element of which row each lane takes.

/// In rows of a chunk (64 bytes) the place of a vector: turned by the row, so that eight rows meet no bank twice.
TCU_DEVICE int chunk_place(int row, int vector) { return row * 64 + ((vector ^ (row >> 1 & 3)) << 4); }

/// Takes multiplication `step` of a chunk, both factors of which lie in rows that run along the sum.
template <class A, class S>
TCU_DEVICE void take_rows(Fragments<A, S> &t, const char *left, const char *right, int step) {
    if constexpr (A::is_collective) {
#pragma unroll
        for (int i = 0; i < t.fragment_rows; ++i) {
            load_matrices(t.lane(), t.left[i].words, [&](int matrix, int row) {
                return left + chunk_place(t.first_row() + i * 16 + matrix % 2 * 8 + row, step * 2 + matrix / 2);
            });
#pragma unroll
            for (int k = 0; k < 4; ++k) t.left[i].words[k] = A::prepared(t.left[i].words[k]);
        }
#pragma unroll
        for (int j = 0; j < t.fragment_columns; j += 2) {
            unsigned words[4];
            load_matrices(t.lane(), words, [&](int matrix, int row) {
                return right + chunk_place(t.first_column() + (j + matrix / 2) * 8 + row, step * 2 + matrix % 2);
            });
#pragma unroll
            for (int k = 0; k < 4; ++k) t.right[j + k / 2].words[k % 2] = A::prepared(words[k]);
        }
    } else {
#pragma unroll
        for (int i = 0; i < t.fragment_rows; ++i) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int row = t.first_row() + i * 16 + half * 8 + t.lane() / 4;
                A::unpack(*(const Vector *)(left + chunk_place(row, step)), t.left[i].values[half]);
            }
        }
#pragma unroll
        for (int j = 0; j < t.fragment_columns; ++j) {
#pragma unroll
            for (int next = 0; next < 2; ++next) {
                const int row = t.first_column() + j * 8 + t.lane() % 4 * 2 + next;
                A::unpack(*(const Vector *)(right + chunk_place(row, step)), t.right[j].values[next]);
            }
        }
    }
}

/// Rows of shared memory that run across the sum, one for each of its terms, and a gap that keeps them off each other's
/// banks: 16 bytes where eight rows are read by vectors, 32 where four are read by words.
template <class A>
TCU_DEVICE constexpr int pitch_across(int elements) {
    return elements * (16 / A::vector) + (A::halves ? 16 : 32);
}

TCU_DEVICE unsigned word_at(const char *rows, int pitch, int row, int column) {
    return *(const unsigned *)(rows + row * pitch + column * 4);
}

/// Takes multiplication `step` of a chunk whose factors lie in such rows.
template <class A, class S>
TCU_DEVICE void take_columns(Fragments<A, S> &t, const char *left, const char *right, int step) {
    constexpr int left_pitch = pitch_across<A>(S::rows), right_pitch = pitch_across<A>(S::columns);
    const int quad = t.lane() / 4, in_quad = t.lane() % 4;
    if constexpr (A::halves) {
#pragma unroll
        for (int i = 0; i < t.fragment_rows; ++i)
            load_matrices_transposed(t.lane(), t.left[i].words, [&](int matrix, int row) {
                return left + (step * 16 + matrix / 2 * 8 + row) * left_pitch +
                       (t.first_row() + i * 16 + matrix % 2 * 8) * 2;
            });
#pragma unroll
        for (int j = 0; j < t.fragment_columns; j += 2) {
            unsigned words[4];
            load_matrices_transposed(t.lane(), words, [&](int matrix, int row) {
                return right + (step * 16 + matrix % 2 * 8 + row) * right_pitch +
                       (t.first_column() + (j + matrix / 2) * 8) * 2;
            });
#pragma unroll
            for (int k = 0; k < 4; ++k) t.right[j + k / 2].words[k % 2] = words[k];
        }
    } else if constexpr (A::is_collective) {
#pragma unroll
        for (int i = 0; i < t.fragment_rows; ++i) {
#pragma unroll
            for (int k = 0; k < 4; ++k)
                t.left[i].words[k] = A::prepared(word_at(
                    left, left_pitch, step * 8 + k / 2 * 4 + in_quad, t.first_row() + i * 16 + k % 2 * 8 + quad));
        }
#pragma unroll
        for (int j = 0; j < t.fragment_columns; ++j) {
#pragma unroll
            for (int k = 0; k < 2; ++k)
                t.right[j].words[k] = A::prepared(
                    word_at(right, right_pitch, step * 8 + k * 4 + in_quad, t.first_column() + j * 8 + quad));
        }
    } else {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
#pragma unroll
            for (int i = 0; i < 2 * t.fragment_rows; ++i)
                t.left[i / 2].values[i % 2][k] =
                    float_of(word_at(left, left_pitch, step * 4 + k, t.first_row() + i * 8 + quad));
#pragma unroll
            for (int j = 0; j < 2 * t.fragment_columns; ++j)
                t.right[j / 2].values[j % 2][k] = float_of(
                    word_at(right, right_pitch, step * 4 + k, t.first_column() + j / 2 * 8 + in_quad * 2 + j % 2));
        }
    }
}
