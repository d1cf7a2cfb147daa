// Layer normalisation of one row (Ba et al. 2016) and its gradient, for the operations that contain one.
#pragma once

#include "rows.hpp"

namespace simcse::cpu::SIMCSE_TIER {

struct RowNorm {
  float mean;
  float rstd;
};

// The statistics of a row whose sum is known. The variance is taken about the mean as it was found, and what that
// mean misses of the true one is put right after, so that a mean far from 0 costs no digits.
template <typename T>
SIMCSE_INLINE RowNorm measure(const T *row, int hidden, float sum, float epsilon) {
  float mean = sum / (float)hidden;
  BlockSums first;
  BlockSums second;
  each_vector(hidden, [&](int c, int n, int j) __attribute__((always_inline)) {
    F distance = load_at(row + c, n) - splat(mean);
    if (n < kLanes) distance = select(SIMCSE_TIER::first(n), distance, zero());
    first.of[j] = first.of[j] + distance;
    second.of[j] = fma(distance, distance, second.of[j]);
  });
  float missed = first.total() / (float)hidden;
  float variance = second.total() / (float)hidden - missed * missed;
  if (variance < 0.0f) variance = 0.0f;
  return {mean + missed, 1.0f / __builtin_sqrtf(variance + epsilon)};
}

SIMCSE_INLINE F normalised(F x, const RowNorm &norm) { return (x - splat(norm.mean)) * splat(norm.rstd); }

// (x - mean) * rstd * gamma + beta.
template <typename T, typename Out>
SIMCSE_INLINE void normalise(const T *row, int hidden, const RowNorm &norm, const simcse_layer_norm &layer, Out *out) {
  each_vector(hidden, [&](int c, int n, int) __attribute__((always_inline)) {
    F x = normalised(load_at(row + c, n), norm);
    store_at(out + c, fma(x, load_at(layer.gamma + c, n), load_at(layer.beta + c, n)), n);
  });
}

// What the gradient of a row needs: means of g = d_out gamma and of g times the normalised row.
struct RowMeans {
  float g;
  float gx;
};

// Adds the row's terms to d_gamma and d_beta.
template <typename D, typename T>
SIMCSE_INLINE RowMeans gradient_means(const D *d_out, const T *row, int hidden, const RowNorm &norm,
                                      const float *gamma, float *d_gamma, float *d_beta) {
  BlockSums g_sum;
  BlockSums gx_sum;
  each_vector(hidden, [&](int c, int n, int j) __attribute__((always_inline)) {
    F d = load_at(d_out + c, n);
    F x = normalised(load_at(row + c, n), norm);
    F g = d * load_at(gamma + c, n);
    store_at(d_gamma + c, fma(d, x, load_at(d_gamma + c, n)), n);
    store_at(d_beta + c, d + load_at(d_beta + c, n), n);
    g_sum.of[j] = g_sum.of[j] + g;
    gx_sum.of[j] = fma(g, x, gx_sum.of[j]);
  });
  return {g_sum.total() / (float)hidden, gx_sum.total() / (float)hidden};
}

// d(row) = rstd (g - mean(g) - x mean(g x)), x the normalised row.
SIMCSE_INLINE F gradient(F d_out, F row, F gamma, const RowNorm &norm, const RowMeans &means) {
  F g = d_out * gamma - splat(means.g);
  return splat(norm.rstd) * fma(normalised(row, norm), splat(-means.gx), g);
}

}  // namespace simcse::cpu::SIMCSE_TIER
