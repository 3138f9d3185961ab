// libtorch's headers, quiet: their warnings are not ours to mend, and every other warning stays on.
#pragma once

// libtorch is built with NDEBUG; its inline functions must be the same on both sides, in our debug builds too.
#ifndef NDEBUG
#define NDEBUG
#endif

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#pragma clang diagnostic pop
