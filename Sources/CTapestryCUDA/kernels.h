// The kernels, on the host.
#pragma once

#include "emulation.h"

// Loops that the GPU's compiler is told to unroll run over 256 threads here, which nobody wants unrolled.
#pragma clang diagnostic ignored "-Wpass-failed"
#include "kernels/arithmetic.h"
#include "kernels/geometry.h"
#include "kernels/fragments.h"
#include "kernels/convolve.h"
#include "kernels/weigh.h"
#include "kernels/shift.h"
