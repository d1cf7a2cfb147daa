// gelu(x) = x / 2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016) and its derivative, as functions of kernels.
#pragma once

#include "normal.hpp"

namespace simcse::cuda {

// By what lies above |x|, which keeps its digits far below 0, where 1 + erf has none left.
SIMT_DEVICE float gelu(float x) {
  float tail, bell;
  normal_tail(x, tail, bell);
  return fmaf(-fabsf(x), tail, fmaxf(x, 0.0f));
}

// The derivative is the normal distribution's function at x, plus x times its density.
SIMT_DEVICE void gelu_and_slope(float x, float &value, float &slope) {
  float tail, bell;
  normal_tail(x, tail, bell);
  value = fmaf(-fabsf(x), tail, fmaxf(x, 0.0f));
  slope = fmaf(x, 0.39894228f * bell, x < 0.0f ? tail : 1.0f - tail);
}

SIMT_DEVICE float gelu_slope(float x) {
  float value, slope;
  gelu_and_slope(x, value, slope);
  return slope;
}

}  // namespace simcse::cuda
