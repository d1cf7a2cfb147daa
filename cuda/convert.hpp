// convert: to[i] = from[i] in another type, F32 to BF16 (to the nearest, ties to even) or back.
// 6 bytes an element, bound by memory.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry convert_geometry(int64_t count);

Fault convert(const Queue &queue, const simcse_convert &args);

}  // namespace simcse::cuda
