// dropout_residual_layer_norm on the CPU, in double: what the ladder is held to.
#pragma once

#include "sentences.hpp"

namespace simcse::cuda::dev {

constexpr double kLayerNormEpsilon = 1e-5f;

struct LayerNormForward {
  Expected sum, out, mean, rstd;
};
LayerNormForward layer_norm_forward_expected(const Sentences &sentences, const simcse_dropout &dropout, const Host &x,
                                             const Host &residual, const Host &gamma, const Host &beta);

struct LayerNormBackward {
  Expected d_residual, d_x, d_gamma, d_beta;
  Host mean, rstd;  // of `sum`
};
LayerNormBackward layer_norm_backward_expected(const Sentences &sentences, const simcse_dropout &dropout,
                                               const Host &sum, const Host &d_out, const Host &gamma);

}  // namespace simcse::cuda::dev
