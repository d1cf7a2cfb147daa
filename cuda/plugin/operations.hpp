// The operations on a device: scratch memory, the call that enqueues the kernels, and what a fault is called.
#pragma once

#include "../../native/src/operation_list.hpp"
#include "device.hpp"

namespace simcse::cuda::plugin {

// Throws Failure; the text names the shapes.
#define SIMCSE_DECLARE(name) void name(Device &device, Stream stream, const simcse_##name &args);
SIMCSE_OPERATIONS(SIMCSE_DECLARE)
#undef SIMCSE_DECLARE

}  // namespace simcse::cuda::plugin
