// Cases of the contrastive loss, and their check: forward and backward by any plan, over several seeds, against the
// formula in double.
#pragma once

#include "../similarity_softmax.hpp"
#include "similarity_reference.hpp"

namespace simcse::cuda::tests {

struct Options {
  bool both_directions, same_side, margin, ids;
  bool ties;  // a margin of 0, and vectors that are copies of each other
};
constexpr Options kAllOptions = {true, true, true, true, false};

struct Case {
  int n, m, hidden;
  float temperature;
  float bias;     // on a query's own hard negative, the key n + i
  double common;  // a vector that all share, in lengths of their own parts: gradients cancel
  int offset;     // elements past an aligned address
  Options options = {};
};

struct Plans {
  SimilarityPlan forward, backward;
};

template <typename T>
SimilarityShape shape_of(const Case &k) {
  return {sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32, k.hidden, k.n, k.m, k.options.both_directions,
          k.options.same_side, k.options.margin, k.options.ids};
}

template <typename T>
Plans own_plans(const Case &k, bool wgmma = false) {
  return {similarity_forward_plan(shape_of<T>(k), wgmma), similarity_backward_plan(shape_of<T>(k), wgmma)};
}

// Of bf16 and of float.
template <typename T>
void check_case(const Case &k, const Plans &plans, int seeds);

}  // namespace simcse::cuda::tests
