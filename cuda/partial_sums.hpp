// Gradients of parameters that many blocks contribute to: each block leaves its sums in scratch memory, then
// add_partials adds them up in the order of the blocks, so that the result depends on the shapes alone.
//
//   partials (parts, arrays, columns);   to[array][c] += sum over parts, for 1 or 2 arrays
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry add_partials_geometry(int columns, int arrays);

// `to1` is null where there is one array.
Fault add_partials(const Queue &queue, const float *partials, int parts, int columns, float *to0, float *to1);

}  // namespace simcse::cuda
