// The tile unit of AMX (Intel SDM, volume 1, chapter 18): eight registers of 16 rows of 64 bytes. With
// SIMCSE_EMULATE_AMX the same in plain C++, so that kernels written for it run on any machine. Include only where
// __AMX_BF16__ or SIMCSE_EMULATE_AMX is defined.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

constexpr int kTileRows = 16;
constexpr int kTileBytes = 64;

#if defined(SIMCSE_EMULATE_AMX)

struct Tile {
  char rows[kTileRows][kTileBytes];
};
static thread_local Tile tiles[8];

SIMCSE_INLINE void tile_configure() { memset(tiles, 0, sizeof tiles); }
SIMCSE_INLINE void tile_release() { memset(tiles, 0xff, sizeof tiles); }

template <int T>
SIMCSE_INLINE void tile_zero() {
  memset(&tiles[T], 0, sizeof(Tile));
}

template <int T>
SIMCSE_INLINE void tile_load(const void *from, int64_t stride) {
  for (int r = 0; r < kTileRows; r++) memcpy(tiles[T].rows[r], (const char *)from + r * stride, kTileBytes);
}

template <int T>
SIMCSE_INLINE void tile_store(void *to, int64_t stride) {
  for (int r = 0; r < kTileRows; r++) memcpy((char *)to + r * stride, tiles[T].rows[r], kTileBytes);
}

// C += A B: 16 x 16 floats, A 16 rows of 16 pairs of bf16, B 16 pairs of rows by 16 columns.
template <int C, int A, int B>
SIMCSE_INLINE void tile_dot() {
  float c[16][16];
  bf16 a[16][32], b[16][32];
  memcpy(c, &tiles[C], sizeof c);
  memcpy(a, &tiles[A], sizeof a);
  memcpy(b, &tiles[B], sizeof b);
  for (int i = 0; i < 16; i++) {
    for (int p = 0; p < 16; p++) {
      for (int j = 0; j < 16; j++) {
        c[i][j] += widen(a[i][2 * p]) * widen(b[p][2 * j]);
        c[i][j] += widen(a[i][2 * p + 1]) * widen(b[p][2 * j + 1]);
      }
    }
  }
  memcpy(&tiles[C], c, sizeof c);
}

#else

// By inline assembly because the compilers' intrinsics want the register's number spelled out.
// The system has to have granted this process the tile registers; a thread configures them before their use.
SIMCSE_INLINE void tile_configure() {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } configuration = {};
  configuration.palette = 1;
  for (int t = 0; t < 8; t++) {
    configuration.bytes[t] = kTileBytes;
    configuration.rows[t] = kTileRows;
  }
  __asm__ volatile("ldtilecfg %0" : : "m"(configuration));
}

SIMCSE_INLINE void tile_release() { __asm__ volatile("tilerelease" : : : "memory"); }

template <int T>
SIMCSE_INLINE void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(T));
}

template <int T>
SIMCSE_INLINE void tile_load(const void *from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory");
}

template <int T>
SIMCSE_INLINE void tile_store(void *to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
}

// C += A B: 16 x 16 floats, A 16 rows of 16 pairs of bf16, B 16 pairs of rows by 16 columns.
template <int C, int A, int B>
SIMCSE_INLINE void tile_dot() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

#endif

}  // namespace simcse::cpu::SIMCSE_TIER
