// column_sum: sum[c] += sum over r of x[r][c] for activations (rows, columns), the gradient of a bias; see simcse.h.
//
// A warp takes 16 bytes a lane of every so many rows; the block's warps, then the blocks, are added up in order. Reads
// x once: rows columns activations.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

int column_sum_parts(int64_t rows);  // blocks that share the rows, each leaving one part of the sums
Geometry column_sum_geometry(int64_t rows, int64_t columns, int vector);  // `vector` columns a lane
int64_t column_sum_scratch(int64_t rows, int64_t columns);                // bytes

Fault column_sum(const Queue &queue, const simcse_column_sum &args);

}  // namespace simcse::cuda
