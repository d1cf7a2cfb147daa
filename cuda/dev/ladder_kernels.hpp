// The frame's own kernels, over multiples of 16 KB.
#pragma once

#include "../launch.hpp"

namespace simcse::cuda::dev {

// What the bandwidth of memory is measured by.
Fault copy_bytes(Stream stream, const void *from, void *to, int64_t bytes);
// Fills the caches with `zeros`, and with nothing that is to be written back.
Fault read_bytes(Stream stream, void *zeros, int64_t bytes);
// Numbers of 1/4 to 1/2 and their negatives.
Fault fill_bf16(Stream stream, void *to, int64_t bytes);

}  // namespace simcse::cuda::dev
