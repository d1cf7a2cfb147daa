// gradient_norm = sqrt(sum of gradients^2), and adamw: one AdamW update of P parameters (Loshchilov and Hutter 2019,
// algorithm 2) with gradient clipping folded in; see simcse.h. All parameters of a model lie in one array.
//
// Bound by memory: gradient_norm reads 4 bytes a parameter; adamw reads 16 and writes 12, and 2 more for a bf16 copy.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

// Blocks that leave a part of the norm: of the count alone, so that the sum is the same on every GPU.
Geometry gradient_norm_geometry(int64_t count);
int64_t gradient_norm_scratch(int64_t count);  // bytes
Geometry adamw_geometry(int64_t count);

Fault gradient_norm(const Queue &queue, const simcse_gradient_norm &args);
Fault adamw(const Queue &queue, const simcse_adamw &args);

}  // namespace simcse::cuda
