// GELU (Hendrycks and Gimpel 2016) and tanh over arrays, and their backward passes in place; see simcse.h. Bound by
// memory: forward reads and writes an activation an element, gelu_backward reads and writes two, tanh_backward and
// multiply_by_gelu_slope read two and write one.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry activation_geometry(int64_t count);
Geometry activation_backward_geometry(int64_t count, int vector);  // `vector` elements a thread

// to[i] = gelu(from[i]); to_dtype is from_dtype, or SIMCSE_F32.
Fault gelu_forward(const Queue &queue, simcse_dtype from_dtype, const void *from, simcse_dtype to_dtype, void *to,
                   int64_t count);
// x = tanh(x)
Fault tanh_forward(const Queue &queue, simcse_dtype dtype, void *x, int64_t count);

// gradient[i] *= gelu'(pre_activation[i]); dtype is kept_dtype, or SIMCSE_F32.
Fault multiply_by_gelu_slope(const Queue &queue, simcse_dtype kept_dtype, const void *pre_activation,
                             simcse_dtype dtype, void *gradient, int64_t count);
Fault gelu_backward(const Queue &queue, const simcse_gelu_backward &args);
Fault tanh_backward(const Queue &queue, const simcse_tanh_backward &args);

}  // namespace simcse::cuda
