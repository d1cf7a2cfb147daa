// gemm: C = epilogue(op(A) op(B)), every transposition, type and epilogue of simcse.h, with no library: what runs in
// the emulator, and on a GPU beside which cuBLASLt is not installed.
//
// bf16: blocks of 64 x 64 of C over k in steps of 32, four warps of 32 x 32, m16n8k16 on tensor cores, two stages of
// asynchronous copies. f32: blocks of 64 x 64 over k in steps of 16, 4 x 4 of C a thread, fused multiply-adds. Every
// sum runs over k in order. The gradient of a bias is a column sum of its own, before the product. Floor: 2 m n k FLOPs
// at the rate of the tensor cores (bf16), or of multiply-adds (f32).
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

Geometry gemm_geometry(simcse_dtype dtype, int64_t m, int64_t n);

int64_t gemm_scratch(const simcse_gemm &args);  // bytes

// What a product adds to the gradient of a bias, where it has one.
Fault sum_bias_gradient(const Queue &queue, const simcse_gemm &args);

Fault gemm(const Queue &queue, const simcse_gemm &args);

}  // namespace simcse::cuda
