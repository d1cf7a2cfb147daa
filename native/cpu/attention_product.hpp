// Products of small f32 matrices that lie in the nearest cache: what attention does on one head of one sentence.
#pragma once

#include "simd.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Pairs of bf16 count as floats here, but are aligned to 2 bytes alone.
SIMCSE_INLINE float read(const float *p) {
  float x;
  memcpy(&x, p, 4);
  return x;
}

// A left factor, read one number at a time: element (i, k) is at[i * row + k * step]. Either stride may be 1, so a
// transposed factor costs nothing.
struct Scalars {
  const float *at;
  ptrdiff_t row;
  ptrdiff_t step;
};

// C (m, n) = or += A (m, k) B (k, n). Rows of B and C have room for n rounded up to whole vectors, and are read and
// written so far.
struct Product {
  int m, n, k;
  Scalars a;
  const float *b;
  ptrdiff_t ldb;
  float *c;
  ptrdiff_t ldc;
  bool accumulate;
};

// Rows and vectors of a tile of C in registers: 24 of 32, 12 of 16.
#if defined(__AVX512F__)
constexpr int kTileRows = 6;
constexpr int kTileVectors = 4;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
constexpr int kTileVectors = 2;
#else
constexpr int kTileRows = 4;
constexpr int kTileVectors = 1;
#endif

constexpr int whole_vectors(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

// sum + left * right; kPairs: of bf16 pairs in 32 bits, sum + both products.
template <bool kPairs>
SIMCSE_INLINE F multiply_add(F left, F right, F sum) {
#if defined(__AVX512BF16__)
  if (kPairs) return {_mm512_dpbf16_ps(sum.v, (__m512bh)left.v, (__m512bh)right.v)};
#endif
  return fma(left, right, sum);
}

template <bool kPairs, int R, int V>
static void product_tile(const Product &p, const float *a, const float *b, float *c) {
  const ptrdiff_t row = p.a.row, step = p.a.step, ldb = p.ldb, ldc = p.ldc;
  F sum[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) sum[i][v] = p.accumulate ? load(c + i * ldc + v * kLanes) : zero();
  }
  for (int k = p.k; k > 0; k--) {
    F right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) right[v] = load(b + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      F left = splat(read(a + i * row));
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) sum[i][v] = multiply_add<kPairs>(left, right[v], sum[i][v]);
    }
    a += step;
    b += ldb;
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) store(c + i * ldc + v * kLanes, sum[i][v]);
  }
}

template <bool kPairs, int V>
static void product_rows(const Product &p, int rows, const float *a, const float *b, float *c) {
  switch (rows) {
    case 1: return product_tile<kPairs, 1, V>(p, a, b, c);
    case 2: return product_tile<kPairs, 2, V>(p, a, b, c);
    case 3: return product_tile<kPairs, 3, V>(p, a, b, c);
    case 4: return product_tile<kPairs, 4, V>(p, a, b, c);
#if defined(__AVX2__)
    case 5: return product_tile<kPairs, 5, V>(p, a, b, c);
    case 6: return product_tile<kPairs, 6, V>(p, a, b, c);
#endif
  }
}

template <bool kPairs = false>
static void product(const Product &p) {
  int blocks = (p.m + kTileRows - 1) / kTileRows;
  for (int column = 0; column < p.n; column += kTileVectors * kLanes) {
    int vectors = (p.n - column + kLanes - 1) / kLanes;
    int row = 0;
    for (int block = 0; block < blocks; block++) {
      // Tiles of nearly equal height: a last one of one row would wait for its own sums.
      int rows = (p.m - row + blocks - block - 1) / (blocks - block);
      const float *a = p.a.at + row * p.a.row;
      const float *b = p.b + column;
      float *c = p.c + row * p.ldc + column;
      if (vectors == 1) product_rows<kPairs, 1>(p, rows, a, b, c);
#if defined(__AVX512F__)
      else if (vectors == 2) product_rows<kPairs, 2>(p, rows, a, b, c);
      else if (vectors == 3) product_rows<kPairs, 3>(p, rows, a, b, c);
#endif
      else product_rows<kPairs, kTileVectors>(p, rows, a, b, c);
      row += rows;
    }
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
