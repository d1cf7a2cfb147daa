// Attention on the CPU, in double, of some heads of some sentences of a batch: what the ladder is held to.
#pragma once

#include "sentences.hpp"

namespace simcse::cuda::dev {

struct AttentionProblem {
  const Sentences *sentences;
  int heads, head_size;
  simcse_dropout dropout;
  const Host *qkv, *d_out;
};

struct AttentionExpected {
  Expected out, lse;
};
AttentionExpected attention_forward_expected(const AttentionProblem &problem, Type type);

struct AttentionGradients {
  Expected part[3];  // of queries, keys and values
};
AttentionGradients attention_backward_expected(const AttentionProblem &problem, Type type);

}  // namespace simcse::cuda::dev
