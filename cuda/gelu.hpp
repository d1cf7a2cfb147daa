// gelu(x) = x / 2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016) and its derivative, as functions of kernels.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

SIMT_DEVICE float gelu(float x) {
  // The complement keeps its digits far below 0, where 1 + erf has none left.
  return 0.5f * x * erfcf(-0.70710678f * x);
}

// The derivative is the normal distribution's function at x, plus x times its density.
SIMT_DEVICE void gelu_and_slope(float x, float &value, float &slope) {
  const float below = 0.5f * erfcf(-0.70710678f * x);
  value = x * below;
  slope = fmaf(x, 0.39894228f * expf(-0.5f * x * x), below);
}

SIMT_DEVICE float gelu_slope(float x) {
  float value, slope;
  gelu_and_slope(x, value, slope);
  return slope;
}

}  // namespace simcse::cuda
