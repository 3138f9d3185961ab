#include "TileEmulation.h"

#if defined(__x86_64__) && defined(__linux__)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

/// The operand of LDTILECFG.
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} configuration;

static _Thread_local struct {
    configuration shape;
    _Alignas(ROW_BYTES) uint8_t data[TILES][ROWS][ROW_BYTES];
} state;

/// An instruction with a prefix of three bytes, opcode map 0F38.
typedef struct {
    uint8_t prefix, opcode, mode, reg, rm, third;
    int length;
    uint8_t *base;
    int64_t stride;
} instruction;

static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/// False where it is none on tiles.
static bool decode(const uint8_t *code, const greg_t *values, instruction *i) {
    if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) return false;
    const uint8_t modrm = code[4];
    const int rex_x = code[1] & 0x40 ? 0 : 8, rex_b = code[1] & 0x20 ? 0 : 8;
    *i = (instruction){
        .prefix = code[2] & 3, .opcode = code[3], .mode = modrm >> 6, .reg = modrm >> 3 & 7, .rm = modrm & 7,
        .third = ~code[2] >> 3 & 15, .length = 5};
    if ((i->opcode != 0x49 && i->opcode != 0x4B && i->opcode != 0x5C) || !(code[1] & 0x80)) return false;
    if (i->mode == 3) return true;
    int64_t address = 0;
    bool has_base = true;
    int base = i->rm;
    if (i->rm == 4) {
        const uint8_t sib = code[i->length++];
        const int index = (sib >> 3 & 7) + rex_x;
        if (index != 4) i->stride = values[registers[index]] << (sib >> 6);
        base = sib & 7;
    }
    if (base == 5 && i->mode == 0) has_base = false;
    int32_t displacement = 0;
    if (i->mode == 1) displacement = (int8_t)code[i->length++];
    else if (i->mode == 2 || !has_base) {
        memcpy(&displacement, code + i->length, sizeof displacement);
        i->length += (int)sizeof displacement;
    }
    if (has_base) address = values[registers[base + rex_b]];
    // Without a base register, and without a second byte, from the next instruction.
    else if (i->rm != 4) address = (int64_t)(code + i->length);
    i->base = (uint8_t *)(address + displacement);
    return true;
}

static bool configure(const uint8_t *from) {
    configuration c;
    memcpy(&c, from, sizeof c);
    if (c.palette == 0) {
        memset(&state, 0, sizeof state);
        return true;
    }
    if (c.palette != 1) return false;
    for (int i = 0; i < 14; ++i)
        if (c.reserved[i] != 0) return false;
    for (int i = 0; i < 16; ++i) {
        if (i >= TILES && (c.rows[i] != 0 || c.row_bytes[i] != 0)) return false;
        if (c.rows[i] > ROWS || c.row_bytes[i] > ROW_BYTES || (c.rows[i] == 0) != (c.row_bytes[i] == 0)) return false;
    }
    memset(&state, 0, sizeof state);
    state.shape = c;
    return true;
}

static bool is_configured(int tile) { return tile < TILES && state.shape.palette == 1 && state.shape.rows[tile] > 0; }

static void load_tile(const instruction *i) {
    const int tile = i->reg;
    for (int row = state.shape.start_row; row < state.shape.rows[tile]; ++row) {
        memset(state.data[tile][row], 0, ROW_BYTES);
        memcpy(state.data[tile][row], i->base + row * i->stride, state.shape.row_bytes[tile]);
    }
    for (int row = state.shape.rows[tile]; row < ROWS; ++row) memset(state.data[tile][row], 0, ROW_BYTES);
    state.shape.start_row = 0;
}

static void store_tile(const instruction *i) {
    const int tile = i->reg;
    for (int row = state.shape.start_row; row < state.shape.rows[tile]; ++row)
        memcpy(i->base + row * i->stride, state.data[tile][row], state.shape.row_bytes[tile]);
    state.shape.start_row = 0;
}

typedef float lane_floats __attribute__((ext_vector_type(16)));
typedef uint32_t lane_words __attribute__((ext_vector_type(16)));

/// TDPBF16PS: in each row, sums of the products of even and of odd elements, added up, and then to what is there.
__attribute__((target("avx512f,fma"))) static bool multiply(const instruction *i) {
    const int c = i->reg, a = i->rm, b = i->third;
    const configuration *s = &state.shape;
    if (!is_configured(a) || !is_configured(b) || !is_configured(c) || a == b || a == c || b == c) return false;
    if (s->row_bytes[a] % 4 != 0 || s->row_bytes[b] % 4 != 0 || s->rows[b] != s->row_bytes[a] / 4
        || s->rows[c] != s->rows[a] || s->row_bytes[c] != s->row_bytes[b])
        return false;
    const unsigned mode = _mm_getcsr();
    // Round to nearest, denormal numbers are zeros, no exceptions.
    _mm_setcsr(0x9FC0);
    for (int row = 0; row < s->rows[c]; ++row) {
        lane_floats even = 0, odd = 0, sum;
        for (int k = 0; k < s->rows[b]; ++k) {
            uint32_t pair;
            lane_words words;
            memcpy(&pair, &state.data[a][row][4 * k], sizeof pair);
            memcpy(&words, state.data[b][k], sizeof words);
            even = __builtin_elementwise_fma(
                (lane_floats)(lane_words)(pair << 16), (lane_floats)(words << 16), even);
            odd = __builtin_elementwise_fma(
                (lane_floats)(lane_words)(pair & 0xFFFF0000), (lane_floats)(words & 0xFFFF0000), odd);
        }
        memcpy(&sum, state.data[c][row], sizeof sum);
        sum += even + odd;
        memset(state.data[c][row], 0, ROW_BYTES);
        memcpy(state.data[c][row], &sum, s->row_bytes[c]);
    }
    _mm_setcsr(mode);
    for (int row = s->rows[c]; row < ROWS; ++row) memset(state.data[c][row], 0, ROW_BYTES);
    state.shape.start_row = 0;
    return true;
}

/// False for what the processor would refuse too.
static bool carry_out(const instruction *i) {
    enum { NONE, P66, PF3, PF2 };
    if (i->opcode == 0x5C) return i->prefix == PF3 && i->mode == 3 && multiply(i);
    if (i->third != 0) return false;
    if (i->opcode == 0x49 && i->mode == 3) {
        if (i->prefix == NONE && i->reg == 0 && i->rm == 0) {
            memset(&state, 0, sizeof state);
            return true;
        }
        if (i->prefix != PF2 || i->rm != 0 || !is_configured(i->reg)) return false;
        memset(state.data[i->reg], 0, sizeof state.data[i->reg]);
        return true;
    }
    if (i->opcode == 0x49) {
        if (i->prefix == NONE && i->reg == 0) return configure(i->base);
        if (i->prefix == P66 && i->reg == 0) memcpy(i->base, &state.shape, sizeof state.shape);
        return i->prefix == P66 && i->reg == 0;
    }
    if (i->mode == 3 || i->rm != 4 || !is_configured(i->reg)) return false;
    if (i->prefix == PF3) store_tile(i);
    else if (i->prefix == PF2 || i->prefix == P66) load_tile(i);
    return i->prefix != NONE;
}

static struct sigaction before;

static void handle(int signal, siginfo_t *info, void *context) {
    ucontext_t *const c = context;
    greg_t *const values = c->uc_mcontext.gregs;
    instruction i;
    (void)info;
    if (decode((const uint8_t *)values[REG_RIP], values, &i) && carry_out(&i)) values[REG_RIP] += i.length;
    // The instruction is met again, by whoever was there before.
    else sigaction(signal, &before, NULL);
}

bool emulate_tiles(void) {
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bf16")) return false;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER}, now;
    if (sigaction(SIGILL, NULL, &now) != 0) return false;
    if (now.sa_sigaction == handle) return true;
    return sigaction(SIGILL, &action, &before) == 0;
}
#else
bool emulate_tiles(void) { return false; }
#endif
