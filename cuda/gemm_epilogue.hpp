// C (m, n) = epilogue(P) for a float product P that something else has computed; see simcse.h. Bound by memory: 4 bytes
// of the product are read an element, and those of C written, of the residual read, of the pre-activation written or
// read.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry gemm_epilogue_geometry(int64_t count);

Fault gemm_epilogue(const Queue &queue, const simcse_gemm_epilogue &args);

}  // namespace simcse::cuda
