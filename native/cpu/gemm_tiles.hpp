// The innermost loop of a product of bf16 matrices on the tile unit: 32 rows by 32 columns of C in four tiles.
#pragma once

#include "amx.hpp"

namespace simcse::cpu::SIMCSE_TIER {

constexpr int kTilesHeight = 32;
constexpr int kTilesWidth = 32;
constexpr int kTilesAlignment = 16;

// Words of k that are summed in tiles: a panel of B of that depth stays in the first cache while A streams past.
constexpr int kTilesDepth = 256;
constexpr int kTilesRowStride = kTilesDepth + 16;

// c (16 kDown, 32) = or += a b; a is [row][word of k] with lda bytes between rows, b is [word of k][32].
template <int kDown>
static __attribute__((noinline)) void tiles_kernel(const char *a, int64_t lda, const float *b, int64_t depth, float *c,
                                                   int64_t ldc, bool add) {
  const int64_t row = kTilesWidth * 4;
  float *below = c + kTileRows * ldc;
  if (add) {
    tile_load<0>(c, 4 * ldc);
    tile_load<1>(c + 16, 4 * ldc);
    if constexpr (kDown == 2) {
      tile_load<2>(below, 4 * ldc);
      tile_load<3>(below + 16, 4 * ldc);
    }
  } else {
    tile_zero<0>();
    tile_zero<1>();
    if constexpr (kDown == 2) {
      tile_zero<2>();
      tile_zero<3>();
    }
  }
  for (int64_t p = 0; p < depth; p += kTilesAlignment) {
    tile_load<4>(a, lda);
    tile_load<6>(b, row);
    tile_load<7>(b + 16, row);
    tile_dot<0, 4, 6>();
    tile_dot<1, 4, 7>();
    if constexpr (kDown == 2) {
      tile_load<5>(a + kTileRows * lda, lda);
      tile_dot<2, 5, 6>();
      tile_dot<3, 5, 7>();
    }
    a += kTileBytes;
    b += kTilesAlignment * kTilesWidth;
  }
  tile_store<0>(c, 4 * ldc);
  tile_store<1>(c + 16, 4 * ldc);
  if constexpr (kDown == 2) {
    tile_store<2>(below, 4 * ldc);
    tile_store<3>(below + 16, 4 * ldc);
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
