// Vectors as without AMX, and matrices of floats' parts beside them.
#pragma once
#include "avx512.h"

#define HAS_MATRICES 1
