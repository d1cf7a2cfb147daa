// The innermost loops of a matrix product: a tile of C in registers, summed over words of k from packed operands.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Accumulators fill the registers but for a row of B and one broadcast value of A.
#if defined(__AVX512F__)
constexpr int kHeight = 14;
#elif defined(__AVX2__)
constexpr int kHeight = 6;
#else
constexpr int kHeight = 2;
#endif
constexpr int kVectors = 2;
constexpr int kWidth = kVectors * kLanes;

// Most words of k in one call, and the words between rows of A: an odd number of cache lines, so that rows at one k
// fall in different sets of the cache.
constexpr int kDepth = 384;
constexpr int kRowStride = kDepth + 16;

// Words of A between steps of k where A was stored (k, m).
constexpr int kAcross = (kHeight + kLanes - 1) / kLanes * kLanes;

// c + a b of floats, or of pairs of bf16.
template <bool kDot>
SIMCSE_INLINE F multiply_add(F a, F b, F c) {
#if defined(__AVX512BF16__)
  if constexpr (kDot) {
    return {_mm512_dpbf16_ps(c.v, (__m512bh)_mm512_castps_si512(a.v), (__m512bh)_mm512_castps_si512(b.v))};
  }
#endif
  return fma(a, b, c);
}

// Cache lines that are wanted later, fetched into the second cache bit by bit while a kernel runs.
struct Ahead {
  const char *data = nullptr;
  int64_t stride = 0;  // bytes between rows
  int64_t rows = 0;
  int64_t bytes = 0;  // of a row
  int64_t lines = 0;  // in one turn
  int64_t row = 0, at = 0;

  inline __attribute__((always_inline)) void fetch() {
    for (int64_t i = 0; i < lines && row < rows; i++) {
      __builtin_prefetch(data + row * stride + at, 0, 2);
      at += 64;
      if (at >= bytes) {
        at = 0;
        row++;
      }
    }
  }
};

// Steps of k between two fetches.
constexpr int64_t kTurn = 16;

// c (kRows, kWidth) = or += a b. a is [row][k] with kRowStride, or [k][row] with kAcross; b is [k][kWidth].
template <int kRows, bool kByRow, bool kDot>
static __attribute__((noinline)) void kernel(const float *a, const float *b, int64_t depth, float *c, int64_t ldc,
                                             bool add, Ahead &ahead) {
  F sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) sum[i][j] = zero();
  }
  for (int64_t p = 0; p < depth;) {
    ahead.fetch();
    for (int64_t end = depth - p < kTurn ? depth : p + kTurn; p < end; p++) {
      F row[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) row[j] = load(b + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; i++) {
        F x = splat(kByRow ? a[i * kRowStride] : a[i]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; j++) sum[i][j] = multiply_add<kDot>(x, row[j], sum[i][j]);
      }
      a += kByRow ? 1 : kAcross;
      b += kWidth;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) {
      float *to = c + i * ldc + j * kLanes;
      store(to, add ? load(to) + sum[i][j] : sum[i][j]);
    }
  }
}

using Kernel = void (*)(const float *a, const float *b, int64_t depth, float *c, int64_t ldc, bool add, Ahead &ahead);

template <bool kByRow, bool kDot, int kRows = kHeight>
SIMCSE_INLINE Kernel kernel_for(int rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return kernel_for<kByRow, kDot, kRows - 1>(rows);
  }
  return kernel<kRows, kByRow, kDot>;
}

}  // namespace simcse::cpu::SIMCSE_TIER
