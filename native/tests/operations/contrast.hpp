// The contrastive loss with all its logits at hand, anchor by anchor and term by term, in double or in float.
#pragma once

#include "harness.hpp"

namespace simcse_test {

struct ContrastInputs {
  int64_t queries_count = 0, keys_count = 0;
  int hidden = 0;
  Numbers queries, keys, targets;
  Numbers query_ids, key_ids;  // empty where all are different
  simcse_contrast contrast = {};
};

struct ContrastResults {
  Numbers loss, lse, query_norm, key_norm, key_lse, d_queries, d_keys;
};

// Who is left out of whose sum, by the cosines in double: near a limit they alone decide.
struct LeftOut {
  std::vector<bool> queries_keys, queries_queries;  // of the sums of the queries: (N, M), (N, N)
  std::vector<bool> keys_queries, keys_keys;        // of those of the keys: (M, N), (M, M)
};

LeftOut left_out(const ContrastInputs &in);

// The margin next above `margin` that no pair is within 1e-6 of, so that rounding decides nothing.
float clear_margin(const ContrastInputs &in, float margin);

// `given`: the log-sum-exps that gradients are taken with.
template <typename Real> ContrastResults contrast_forward(const ContrastInputs &in, const LeftOut &out);
template <typename Real>
void contrast_backward(const ContrastInputs &in, const LeftOut &out, const ContrastResults &given, float loss_scale,
                       ContrastResults *results);

}  // namespace simcse_test
