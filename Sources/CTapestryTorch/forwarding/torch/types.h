// libtorch's headers have two roots, of which its pkg-config file names one; those of c10d look here for the other's.
#pragma once

#include <torch/csrc/api/include/torch/types.h>
