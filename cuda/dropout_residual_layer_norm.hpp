// dropout_residual_layer_norm: out = layer_norm(residual + dropout(x)) for rows (R, H) (Ba et al. 2016; Vaswani et al.
// 2017), its replay from the kept sum, and its gradients; see simcse.h.
//
// A warp takes a row, up to 1024 columns in registers, so every array passes memory once: 4 activations an element
// forward (2 read, 2 written), 2 in replay, 4 backward. d_gamma and d_beta are summed over the rows of a block in
// registers, then over blocks in scratch memory.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry layer_norm_forward_geometry(int64_t rows);

// Blocks of the backward pass, each leaving one part of d_gamma and d_beta. Depends on the rows alone, so that the sums
// are the same on every GPU.
int layer_norm_parts(int64_t rows);
Geometry layer_norm_backward_geometry(int64_t rows, int hidden, int passes);
int64_t layer_norm_backward_scratch(int64_t rows, int hidden);  // bytes

Fault dropout_residual_layer_norm_forward(const Queue &queue, const simcse_dropout_residual_layer_norm_forward &args);
Fault layer_norm_replay(const Queue &queue, const simcse_layer_norm_replay &args);
Fault dropout_residual_layer_norm_backward(const Queue &queue,
                                           const simcse_dropout_residual_layer_norm_backward &args);

}  // namespace simcse::cuda
