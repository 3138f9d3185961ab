// Tiles of AMX: registers of up to 16 rows of 64 bytes, and an instruction that adds the product of two of them, of
// words of two elements, to a third.
#pragma once

enum {
    MATRIX_ROWS = 16,
    /// Of a row of products' factors: 64 bytes.
    MATRIX_WORDS = 16,
    MATRIX_REGISTERS = 8,
};

/// The operand of LDTILECFG: how many rows of how many bytes each register has.
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} matrix_configuration;

/// Says what a register has. Of no rows it is not used.
FORCE_INLINE void set_matrix(matrix_configuration *c, int32_t number, int32_t rows, int32_t words) {
    c->rows[number] = (uint8_t)rows;
    c->row_bytes[number] = rows > 0 ? (uint16_t)(4 * words) : 0;
}

/// All registers are zero then.
FORCE_INLINE void configure_matrices(const matrix_configuration *c) { _tile_loadconfig(c); }

/// Without it the system would store the registers whenever it changes threads.
FORCE_INLINE void release_matrices(void) { _tile_release(); }
