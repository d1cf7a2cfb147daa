// Backward of GELU (Hendrycks and Gimpel 2016) and of tanh in place, and the column sums that are gradients of biases;
// see simcse.h. Bound by memory: gelu_backward reads and writes two activations an element, tanh_backward reads two and
// writes one, column_sum reads one.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry activation_geometry(int64_t count);

// Blocks that share the rows, each leaving one part of the sums.
int column_sum_parts(int64_t rows, int64_t columns);
Geometry column_sum_geometry(int64_t rows, int64_t columns, int vector);  // `vector` columns a lane
int64_t column_sum_scratch(int64_t rows, int64_t columns);                // bytes

Fault gelu_backward(const Queue &queue, const simcse_gelu_backward &args);
Fault tanh_backward(const Queue &queue, const simcse_tanh_backward &args);
Fault column_sum(const Queue &queue, const simcse_column_sum &args);

}  // namespace simcse::cuda
