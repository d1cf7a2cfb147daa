// Sums over the rows that a block has taken, of arrays whose columns lie over the lanes of each warp as row.hpp has it.
#pragma once

#include "row.hpp"

namespace simcse::cuda {

// Dynamic shared memory of store_parts.
constexpr unsigned row_parts_shared(int warps, int arrays, int hidden) {
  return (unsigned)(warps / 2 * arrays * hidden * (int)sizeof(float));
}

// Adds up the warps' sums, the upper half onto the lower until one is left, and stores them as (kArrays, hidden).
template <int kWarps, int kArrays, int N, int kPasses>
SIMT_DEVICE void store_parts(float (&sums)[kArrays][kPasses][N], int hidden, float *part, Site at = Site::here()) {
  float *const shared = dynamic_shared<float>();
  SIMT_UNROLL for (int half = kWarps / 2; half > 0; half /= 2) {
    float *const mine = shared + (int64_t)(warp() % half) * kArrays * hidden;
    const bool upper = warp() >= half && warp() < 2 * half;
    SIMT_UNROLL for (int array = 0; array < kArrays; array++) {
      SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
        if (upper && column<N>(i) < hidden) store_floats(mine + array * hidden + column<N>(i), sums[array][i]);
      }
    }
    sync_block(at);
    SIMT_UNROLL for (int array = 0; array < kArrays; array++) {
      SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
        if (warp() >= half || column<N>(i) >= hidden) continue;
        float x[N];
        load_floats(x, mine + array * hidden + column<N>(i));
        SIMT_UNROLL for (int k = 0; k < N; k++) sums[array][i][k] += x[k];
      }
    }
    sync_block(at);
  }
  if (warp() > 0) return;
  SIMT_UNROLL for (int array = 0; array < kArrays; array++) {
    SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
      if (column<N>(i) < hidden) store_floats(part + array * hidden + column<N>(i), sums[array][i]);
    }
  }
}

}  // namespace simcse::cuda
