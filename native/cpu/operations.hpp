// The operations of the CPU device, compiled once per tier of instructions.
//
// Every .cpp file of an operation is compiled for each tier with SIMCSE_TIER set to the tier's name, and puts all it
// defines into namespace simcse::cpu::SIMCSE_TIER. Such files must leave no weak symbol behind (no std:: templates, no
// inline functions outside the tier's namespace): the linker keeps one copy of those, and it could be one with
// instructions that the machine lacks. native/tests/check_symbols.sh looks for them.
//
// Arguments were checked by the front (src/checks.cpp). Operations throw nothing but std::bad_alloc from Context.
#pragma once

#include "../include/simcse.h"
#include "context.hpp"

namespace simcse::cpu {

struct Operations {
  const char *tier;
  void (*embedding_forward)(Context &, const simcse_embedding_forward &);
  void (*embedding_backward)(Context &, const simcse_embedding_backward &);
  void (*gemm)(Context &, const simcse_gemm &);
  void (*gelu_backward)(Context &, const simcse_gelu_backward &);
  void (*tanh_backward)(Context &, const simcse_tanh_backward &);
  void (*column_sum)(Context &, const simcse_column_sum &);
  void (*dropout_residual_layer_norm_forward)(Context &, const simcse_dropout_residual_layer_norm_forward &);
  void (*dropout_residual_layer_norm_backward)(Context &, const simcse_dropout_residual_layer_norm_backward &);
  void (*layer_norm_replay)(Context &, const simcse_layer_norm_replay &);
  void (*attention_forward)(Context &, const simcse_attention_forward &);
  void (*attention_backward)(Context &, const simcse_attention_backward &);
  void (*pooling_forward)(Context &, const simcse_pooling_forward &);
  void (*pooling_backward)(Context &, const simcse_pooling_backward &);
  void (*similarity_softmax_forward)(Context &, const simcse_similarity_softmax_forward &);
  void (*similarity_softmax_backward)(Context &, const simcse_similarity_softmax_backward &);
  void (*gradient_norm)(Context &, const simcse_gradient_norm &);
  void (*adamw)(Context &, const simcse_adamw &);
  void (*dropout_mask)(Context &, const simcse_dropout_mask &);
  void (*convert)(Context &, const simcse_convert &);
  void (*gemm_epilogue)(Context &, const simcse_gemm_epilogue &);
};

#define SIMCSE_DECLARE_TIER(tier) \
  namespace tier {                \
  extern const Operations operations; \
  }
SIMCSE_DECLARE_TIER(portable)
SIMCSE_DECLARE_TIER(avx2)
SIMCSE_DECLARE_TIER(avx512)
SIMCSE_DECLARE_TIER(avx512_bf16)
SIMCSE_DECLARE_TIER(amx)
#undef SIMCSE_DECLARE_TIER

}  // namespace simcse::cpu
