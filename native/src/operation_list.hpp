// The operations by name, in the order of simcse_api: for code that does the same for each of them.
#pragma once

#define SIMCSE_OPERATIONS(each)              \
  each(embedding_forward)                    \
  each(embedding_backward)                   \
  each(gemm)                                 \
  each(gelu_backward)                        \
  each(tanh_backward)                        \
  each(column_sum)                           \
  each(dropout_residual_layer_norm_forward)  \
  each(dropout_residual_layer_norm_backward) \
  each(layer_norm_replay)                    \
  each(attention_forward)                    \
  each(attention_backward)                   \
  each(pooling_forward)                      \
  each(pooling_backward)                     \
  each(similarity_softmax_forward)           \
  each(similarity_softmax_backward)          \
  each(gradient_norm)                        \
  each(adamw)                                \
  each(dropout_mask)                         \
  each(convert)                              \
  each(gemm_epilogue)
