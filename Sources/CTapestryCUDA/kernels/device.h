// The GPU as kernels see it. On the host, emulation.h has the same names with the meanings that the PTX manual gives them.
//
// A kernel is written for a whole block: `block.each` runs a piece of code for every thread, with the state that the
// thread keeps in registers. On the GPU that is the thread itself; the emulation runs all of them, one after the other.
#define TCU_DEVICE __device__ __forceinline__

template <class ThreadState>
struct Block {
    using Thread = ThreadState;
    Thread thread;
    char *shared;
    int x, y;

    template <class Body>
    TCU_DEVICE void each(Body &&body) { body(thread); }

    TCU_DEVICE void synchronize() { __syncthreads(); }

    /// Adds the products of each pair of the threads' fragments to their sums.
    TCU_DEVICE void multiply() {
#pragma unroll
        for (int i = 0; i < Thread::fragment_rows; ++i) {
#pragma unroll
            for (int j = 0; j < Thread::fragment_columns; ++j)
                Thread::Arithmetic::multiply(thread.sums[i][j], thread.left[i], thread.right[j]);
        }
    }
};

TCU_DEVICE unsigned shared_address(const void *place) { return (unsigned)__cvta_generic_to_shared(place); }

/// Begins to copy 16 bytes from global to shared memory; zeros where not `valid`.
TCU_DEVICE void copy_vector(char *place, const void *source, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(place)), "l"(source),
                 "r"(valid ? 16 : 0)
                 : "memory");
}

/// Ends a group of copies.
TCU_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until all of the thread's groups but the latest `COUNT` have arrived.
template <int COUNT>
TCU_DEVICE void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(COUNT) : "memory");
}

/// Four 8 x 8 matrices of 16-bit elements; `row(m, r)` is the place of row r of matrix m. Words[m] of lane l is word
/// l % 4 of row l / 4.
template <class Row>
TCU_DEVICE void load_matrices(int lane, unsigned (&words)[4], Row &&row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(shared_address(row(lane / 8, lane % 8)))
                 : "memory");
}

/// The same, transposed: words[m] of lane l has the elements of column l / 4 in rows l % 4 * 2 and the next.
template <class Row>
TCU_DEVICE void load_matrices_transposed(int lane, unsigned (&words)[4], Row &&row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(shared_address(row(lane / 8, lane % 8)))
                 : "memory");
}

TCU_DEVICE void multiply_bfloat16(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

TCU_DEVICE void multiply_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// The bits of a float rounded to the 10 bits of mantissa that TF32 has.
TCU_DEVICE unsigned rounded_to_tf32(unsigned bits) {
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
    return rounded;
}

TCU_DEVICE unsigned bits_of(float value) { return __float_as_uint(value); }
TCU_DEVICE float float_of(unsigned bits) { return __uint_as_float(bits); }
TCU_DEVICE unsigned multiply_high(unsigned a, unsigned b) { return __umulhi(a, b); }
TCU_DEVICE float exponential(float x) { return __expf(x); }
TCU_DEVICE float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
