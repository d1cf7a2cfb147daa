// A matrix product on one thread, for operations that need one inside a task (the contrastive loss, long attention).
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// C (m, n) = or += op(A) op(B), of F32 or bf16 operands with a leading dimension (elements between rows) each.
struct GemmCore {
  bool bf16_operands;
  bool transpose_a;  // A is stored (k, m)
  bool transpose_b;  // B is stored (n, k)
  bool accumulate;
  int64_t m, n, k;
  const void *a;
  int64_t lda;
  const void *b;
  int64_t ldb;
  float *c;
  int64_t ldc;
};

// Bytes of scratch that gemm_core takes for a product of at most this size, aligned to 64.
int64_t gemm_core_scratch(int64_t m, int64_t n, int64_t k, bool bf16_operands);
void gemm_core(const GemmCore &product, char *scratch);

}  // namespace simcse::cpu::SIMCSE_TIER
