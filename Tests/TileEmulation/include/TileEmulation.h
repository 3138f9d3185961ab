// The tile instructions of AMX on processors that lack them, so that kernels made of them are tested everywhere.
#pragma once
#include <stdbool.h>

/// From now on instructions on tiles that the processor refuses are carried out in software: those for configurations,
/// loads, stores and products of bfloat16 numbers, as "Intel 64 and IA-32 Architectures Software Developer's Manual",
/// volume 2, defines them, faults included. Each thread has tiles of its own. Takes a microsecond for an instruction,
/// some for a product.
///
/// False, and nothing is done, where the processor has none of the other instructions that such kernels consist of.
bool emulate_tiles(void);
