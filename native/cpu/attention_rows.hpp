// Rows of activations as f32 in scratch memory: as they are, or transposed.
#pragma once

#include "attention_product.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Rows of D activations, `stride` elements apart.
template <typename T>
struct Rows {
  const T *at;
  ptrdiff_t stride;
};

#if defined(__AVX512F__)
SIMCSE_INLINE void transpose(F x[kLanes]) {
  __m512 a[16], b[16];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_ps(x[i].v, x[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(x[i].v, x[i + 1].v);
    a[i + 2] = _mm512_unpacklo_ps(x[i + 2].v, x[i + 3].v);
    a[i + 3] = _mm512_unpackhi_ps(x[i + 2].v, x[i + 3].v);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xEE);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512 low = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    __m512 high = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xDD);
    __m512 low2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    __m512 high2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xDD);
    x[i].v = _mm512_shuffle_f32x4(low, low2, 0x88);
    x[i + 4].v = _mm512_shuffle_f32x4(high, high2, 0x88);
    x[i + 8].v = _mm512_shuffle_f32x4(low, low2, 0xDD);
    x[i + 12].v = _mm512_shuffle_f32x4(high, high2, 0xDD);
  }
}
#elif defined(__AVX2__)
SIMCSE_INLINE void transpose(F x[kLanes]) {
  __m256 a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(x[i].v, x[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(x[i].v, x[i + 1].v);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xEE);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    x[i].v = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    x[i + 4].v = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}
#else
SIMCSE_INLINE void transpose(F x[kLanes]) {
  float numbers[kLanes][kLanes];
  for (int i = 0; i < kLanes; i++) {
    for (int j = 0; j < kLanes; j++) numbers[j][i] = x[i].v[j];
  }
  for (int i = 0; i < kLanes; i++) x[i] = load(numbers[i]);
}
#endif

// to (d, ld) = the transposed of n rows; columns n .. up to whole vectors become 0.
template <typename T>
static void load_transposed(Rows<T> from, int n, int d, float *to, ptrdiff_t ld) {
  for (int column = 0; column < d; column += kLanes) {
    int width = d - column < kLanes ? d - column : kLanes;
    for (int row = 0; row < n; row += kLanes) {
      F x[kLanes];
      int height = n - row < kLanes ? n - row : kLanes;
      const T *at = from.at + row * from.stride + column;
      if (height == kLanes && width == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) x[i] = load(at + i * from.stride);
      } else {
        for (int i = 0; i < kLanes; i++) x[i] = i < height ? load_n(at + i * from.stride, width) : zero();
      }
      transpose(x);
      float *out = to + column * ld + row;
      if (width == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) store(out + i * ld, x[i]);
      } else {
        for (int i = 0; i < width; i++) store(out + i * ld, x[i]);
      }
    }
  }
}

// to (n, ld) = n rows; columns d .. up to whole vectors become 0.
template <typename T>
static void load_rows(Rows<T> from, int n, int d, float *to, ptrdiff_t ld) {
  for (int row = 0; row < n; row++) {
    const T *in = from.at + row * from.stride;
    float *out = to + row * ld;
    int column = 0;
    for (; column + kLanes <= d; column += kLanes) store(out + column, load(in + column));
    if (column < d) store(out + column, load_n(in + column, d - column));
  }
}

// A row as activations, times `factor`.
template <typename T>
static void store_row(const float *from, int d, float factor, T *to) {
  int column = 0;
  for (; column + kLanes <= d; column += kLanes) store(to + column, load(from + column) * splat(factor));
  if (column < d) store_n(to + column, load(from + column) * splat(factor), d - column);
}

template <typename T>
static void store_rows(const float *from, ptrdiff_t ld, int n, int d, float factor, T *to, ptrdiff_t stride) {
  for (int row = 0; row < n; row++) store_row(from + row * ld, d, factor, to + row * stride);
}

// Where there are products of bf16 pairs, inner products of bf16 rows take them: they are as exact as those of floats,
// the operands are what they were, and they take half the time. Pairs of channels are then moved about as floats are.
#if defined(__AVX512BF16__)
constexpr bool kPairProducts = true;
#else
constexpr bool kPairProducts = false;
#endif

SIMCSE_INLINE bool in_pairs(Rows<float>, int) { return false; }
SIMCSE_INLINE bool in_pairs(Rows<bf16>, int d) { return kPairProducts && d % 2 == 0; }

template <typename T>
SIMCSE_INLINE Rows<float> pairs_of(Rows<T> rows) {
  return {(const float *)rows.at, rows.stride / 2};
}

// The right factor of inner_products: n rows, transposed.
template <typename T>
static void load_right(Rows<T> from, int n, int d, float *to, ptrdiff_t ld) {
  if (in_pairs(from, d)) load_transposed(pairs_of(from), n, d / 2, to, ld);
  else load_transposed(from, n, d, to, ld);
}

// A left factor of n rows. bf16 is widened into `copy` (n, ld), f32 is read where it lies.
static Scalars scalars(Rows<float> from, int, int, float *, ptrdiff_t) { return {from.at, from.stride, 1}; }

static Scalars scalars(Rows<bf16> from, int n, int d, float *copy, ptrdiff_t ld) {
  load_rows(from, n, d, copy, ld);
  return {copy, ld, 1};
}

// c (m, ld) = the products of m rows with the n rows that load_right put into `right`. `copy` (m, width) is for rows
// that must be widened.
template <typename T>
static void inner_products(Rows<T> left, int m, const float *right, int n, int d, float *c, ptrdiff_t ld, float *copy) {
  if (in_pairs(left, d)) {
    Rows<float> pairs = pairs_of(left);
    product<kPairProducts>({m, n, d / 2, {pairs.at, pairs.stride, 1}, right, ld, c, ld, false});
  } else {
    product({m, n, d, scalars(left, m, d, copy, whole_vectors(d)), right, ld, c, ld, false});
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
