// What both passes of the contrastive loss share: lengths of vectors, and tiles of products of them.
//
// Products are taken of the vectors as they are, not of unit vectors: a cosine is the product times both inverse
// lengths, in f32. So bf16 vectors are not rounded a second time, and no copy of them is made. Only vectors whose
// lengths could overflow or vanish in a product are first multiplied with a power of two, which is exact.
#pragma once

#include "../include/simcse.h"
#include "gemm_core.hpp"
#include "parts.hpp"
#include "vmath.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// Columns of a tile of logits.
constexpr int kTileColumns = 256;

// Rows of a tile: many for the products' sake, fewer where there would not be enough tiles for the threads. Of N alone,
// so that the number of threads changes nothing.
SIMCSE_INLINE int tile_rows(int64_t n) { return n <= 256 ? 32 : n <= 2048 ? 64 : 128; }

SIMCSE_INLINE int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }
SIMCSE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Rows of vectors, their lengths, and what products use in their place.
template <typename T>
struct Vectors {
  const T *rows;  // (count, hidden)
  const float *norms;
  int64_t count;
  int hidden;
};

template <typename T, typename Arguments>
static Vectors<T> queries_of(const Arguments &a) {
  return {(const T *)a.queries, a.query_norm, a.queries_count, a.hidden};
}

template <typename T, typename Arguments>
static Vectors<T> keys_of(const Arguments &a) {
  return {(const T *)a.keys, a.key_norm, a.keys_count, a.hidden};
}

// to (rows, columns) = left right^T
template <typename T>
static void products(const T *left, int64_t rows, const T *right, int64_t columns, int hidden, float *to,
                     char *scratch) {
  gemm_core({sizeof(T) == 2, false, true, false, rows, columns, hidden, left, hidden, right, hidden, to, kTileColumns},
            scratch);
}

SIMCSE_INLINE F absolute(F x) { return as_floats(as_words(x) & splat_u(0x7fffffffu)); }

template <typename T>
static float sum_of_squares(const T *row, int hidden, float factor) {
  F sums[4] = {zero(), zero(), zero(), zero()};
  int c = 0;
  for (; c + 4 * kLanes <= hidden; c += 4 * kLanes) {
    for (int i = 0; i < 4; i++) {
      F x = load(row + c + i * kLanes) * splat(factor);
      sums[i] = fma(x, x, sums[i]);
    }
  }
  for (; c < hidden; c += kLanes) {
    int width = hidden - c < kLanes ? hidden - c : kLanes;
    F x = (width == kLanes ? load(row + c) : load_n(row + c, width)) * splat(factor);
    sums[0] = fma(x, x, sums[0]);
  }
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// The Euclidean length, also where the squares leave the range of floats. NaN and infinity stay what they are.
template <typename T>
static float length_of(const T *row, int hidden) {
  float squares = sum_of_squares(row, hidden, 1.0f);
  if (squares > 1e-25f && squares < 1e35f) return __builtin_sqrtf(squares);
  F most = zero();
  for (int c = 0; c < hidden; c += kLanes) {
    int width = hidden - c < kLanes ? hidden - c : kLanes;
    most = max(absolute(load_n(row + c, width)), most);
  }
  float top = largest(most);
  if (squares != squares || top == 0.0f) return squares;
  if (!(top <= 3.4028235e38f)) return top;
  int exponent;
  __builtin_frexpf(top, &exponent);
  exponent = exponent < -125 ? -125 : exponent;
  return __builtin_ldexpf(__builtin_sqrtf(sum_of_squares(row, hidden, __builtin_ldexpf(1.0f, -exponent))), exponent);
}

// A vector x of length `norm` is used as x * factor, whose inverse length is `inverse`; 0 for a vector of length 0, so
// that it is similar to nothing.
struct Scale {
  float factor;  // a power of two
  float inverse;
};

SIMCSE_INLINE bool usable_as_is(float norm) { return norm == 0.0f || (norm > 1e-6f && norm < 1e6f); }

static Scale scale_of(float norm) {
  if (norm == 0.0f) return {1.0f, 0.0f};
  if (usable_as_is(norm)) return {1.0f, 1.0f / norm};
  if (!(norm <= 3.4028235e38f)) return {1.0f, __builtin_nanf("")};
  int exponent;
  __builtin_frexpf(norm, &exponent);
  exponent = exponent < -125 ? -125 : exponent;
  float factor = __builtin_ldexpf(1.0f, -exponent);
  return {factor, 1.0f / (norm * factor)};
}

template <typename T>
static bool all_usable(const Vectors<T> &v, int64_t start, int64_t count) {
  for (int64_t i = start; i < start + count; i++) {
    if (!usable_as_is(v.norms[i])) return false;
  }
  return true;
}

template <typename T, typename To>
static void copy_scaled(const Vectors<T> &v, int64_t row, To *to) {
  F factor = splat(scale_of(v.norms[row]).factor);
  const T *from = v.rows + row * v.hidden;
  for (int c = 0; c < v.hidden; c += kLanes) {
    int width = v.hidden - c < kLanes ? v.hidden - c : kLanes;
    store_n(to + c, load_n(from + c, width) * factor, width);
  }
}

// `count` rows from `start` on, ready for products: where they lie, or scaled in `copy` (count, hidden).
template <typename T>
static const T *usable_rows(const Vectors<T> &v, int64_t start, int64_t count, T *copy) {
  if (all_usable(v, start, count)) return v.rows + start * v.hidden;
  for (int64_t i = 0; i < count; i++) copy_scaled(v, start + i, copy + i * v.hidden);
  return copy;
}

template <typename T>
static void inverse_lengths(const Vectors<T> &v, int64_t start, int64_t count, float factor, float *inverse) {
  for (int64_t i = 0; i < count; i++) inverse[i] = scale_of(v.norms[start + i]).inverse * factor;
}

}  // namespace simcse::cpu::SIMCSE_TIER
