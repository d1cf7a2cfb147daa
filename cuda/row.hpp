// A row of numbers spread over the lanes of a warp, for kernels that normalise or reduce rows: lane l takes packs of N
// neighbours from columns N l, N (l + 32), N (l + 64) ... on. With kPasses > 0 the row has at most that many packs a
// lane and is kept in registers; with 0 it has any width, and each lane reads its own columns again.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

// How rows of one operation are taken.
struct RowPlan {
  int vector;  // N
  int passes;  // kPasses
};

constexpr int kHeldFloats = 32;  // of a row in the registers of a lane, at most

// `aligned` says whether every array of the operation starts at a multiple of 16 bytes.
inline RowPlan row_plan(simcse_dtype dtype, int columns, bool aligned) {
  const int vector = dtype == SIMCSE_BF16 ? kVector<bf16> : kVector<float>;
  if (!aligned || columns % vector != 0) return {1, 0};
  const int needed = (int)ceil_divide(columns, kWarp * vector);
  constexpr int kCompiled[] = {1, 2, 3, 4, 6, 8};
  for (const int passes : kCompiled) {
    if (passes >= needed && passes * vector <= kHeldFloats) return {vector, passes};
  }
  return {vector, 0};
}

// The kernel of a plan. Family::template kernel<T, N, kPasses>() names the kernels.
template <typename Family, typename T>
auto row_kernel(const RowPlan &plan) {
  constexpr int kN = kVector<T>;
  if constexpr (8 * kN <= kHeldFloats) {
    if (plan.passes == 8) return Family::template kernel<T, kN, 8>();
    if (plan.passes == 6) return Family::template kernel<T, kN, 6>();
  }
  if (plan.passes == 4) return Family::template kernel<T, kN, 4>();
  if (plan.passes == 3) return Family::template kernel<T, kN, 3>();
  if (plan.passes == 2) return Family::template kernel<T, kN, 2>();
  if (plan.passes == 1) return Family::template kernel<T, kN, 1>();
  return plan.vector > 1 ? Family::template kernel<T, kN, 0>() : Family::template kernel<T, 1, 0>();
}

// Packs of a lane.
template <int N, int kPasses>
SIMT_DEVICE int passes_of(int columns) {
  return kPasses > 0 ? kPasses : (columns + kWarp * N - 1) / (kWarp * N);
}

template <int kPasses>
constexpr int kHeld = kPasses > 0 ? kPasses : 1;

// Where pack i of this lane lies in registers, and in the row.
template <int kPasses>
SIMT_DEVICE int held(int i) {
  return kPasses > 0 ? i : 0;
}
template <int N>
SIMT_DEVICE int column(int i) {
  return (i * kWarp + lane()) * N;
}

// One number of layer_norm's output, the same bits wherever it is computed.
SIMT_DEVICE float normalised(float x, float mean, float rstd, float gamma, float beta) {
  return fmaf((x - mean) * rstd, gamma, beta);
}

}  // namespace simcse::cuda
