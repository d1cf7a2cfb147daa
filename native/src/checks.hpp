// What the arguments of an operation must be before it runs.
#pragma once

#include "../include/simcse.h"
#include "operation_list.hpp"

namespace simcse {

// Throws a Failure that names the member at fault. `readable` where the content of the caller's arrays can be read
// here, and is checked too. False where there is nothing to do: gemm with m or n of 0, column_sum and layer_norm_replay
// without rows, and whatever counts elements with a count of 0; arrays may then be null. Other extents are at least 1,
// and gradient_norm of no gradients writes 0.
#define SIMCSE_CHECK(name) bool check(const simcse_##name *arguments, bool readable);
SIMCSE_OPERATIONS(SIMCSE_CHECK)
#undef SIMCSE_CHECK

}  // namespace simcse
