// What an operation was called with, small enough to be kept for every call and made into a text where one fails.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "../../native/include/simcse.h"

namespace simcse::cuda::plugin {

struct Shapes {
  struct Extent {
    const char *name;
    int64_t value;
  };
  const char *operation = nullptr;
  simcse_dtype dtype = SIMCSE_F32;
  Extent extents[6] = {};
  int count = 0;

  std::string text() const;  // "bf16, m 512, n 768, k 768"
};

Shapes shapes_of(const simcse_embedding_forward &a);
Shapes shapes_of(const simcse_embedding_backward &a);
Shapes shapes_of(const simcse_gemm &a);
Shapes shapes_of(const simcse_gelu_backward &a);
Shapes shapes_of(const simcse_tanh_backward &a);
Shapes shapes_of(const simcse_column_sum &a);
Shapes shapes_of(const simcse_dropout_residual_layer_norm_forward &a);
Shapes shapes_of(const simcse_dropout_residual_layer_norm_backward &a);
Shapes shapes_of(const simcse_layer_norm_replay &a);
Shapes shapes_of(const simcse_attention_forward &a);
Shapes shapes_of(const simcse_attention_backward &a);
Shapes shapes_of(const simcse_pooling_forward &a);
Shapes shapes_of(const simcse_pooling_backward &a);
Shapes shapes_of(const simcse_similarity_softmax_forward &a);
Shapes shapes_of(const simcse_similarity_softmax_backward &a);
Shapes shapes_of(const simcse_gradient_norm &a);
Shapes shapes_of(const simcse_adamw &a);
Shapes shapes_of(const simcse_dropout_mask &a);
Shapes shapes_of(const simcse_convert &a);
Shapes shapes_of(const simcse_gemm_epilogue &a);

}  // namespace simcse::cuda::plugin
