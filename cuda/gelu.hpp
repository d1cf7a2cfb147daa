// gelu(x) = x / 2 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016), as a function of kernels.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

SIMT_DEVICE float gelu(float x) {
  // The complement keeps its digits far below 0, where 1 + erf has none left.
  return 0.5f * x * erfcf(-0.70710678f * x);
}

}  // namespace simcse::cuda
