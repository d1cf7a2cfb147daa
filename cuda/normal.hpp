// The normal distribution's function and density, as functions of kernels, in some 16 instructions where erfcf takes
// 45: with those, kernels that read and write 2 or 4 bytes an element are not bound by memory.
//
//   Q(x) = exp(-x^2 / 2) t (c1 + c2 t + ... + c7 t^6),  t = 1 / (1 + 0.36 x),  x >= 0,  the part above x
//
// after the form of Hastings (1955; Abramowitz and Stegun 7.1.26). The coefficients are our own, fitted to the relative
// error: below 1e-6 for x up to 13, where Q is the smallest of normal floats, and 1e-5 with what rounding x^2 costs.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

// What lies above |x|, and sqrt(2 pi) times the density at x.
SIMT_DEVICE void normal_tail(float x, float &tail, float &bell) {
  const float t = reciprocal_fast(fmaf(0.36f, fabsf(x), 1.0f));
  float sum = 0.0475252177f;
  sum = fmaf(sum, t, -0.181369595f);
  sum = fmaf(sum, t, 0.183139157f);
  sum = fmaf(sum, t, 0.0250431248f);
  sum = fmaf(sum, t, 0.140270314f);
  sum = fmaf(sum, t, 0.141671567f);
  sum = fmaf(sum, t, 0.143720235f);
  bell = exp2_fast(x * -0.721347520f * x);
  tail = sum * t * bell;
}

}  // namespace simcse::cuda
