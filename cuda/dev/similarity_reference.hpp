// similarity_softmax on the CPU, in double: what the ladder is held to.
#pragma once

#include "ladder.hpp"

namespace simcse::cuda::dev {

constexpr float kLossScale = 0.75f;

// Of a shape with N, M, H: keys near their queries, as in training; with `bias`, in tenths, M is at least 2 N.
struct SimilarityVectors {
  explicit SimilarityVectors(const Shape &shape);
  int64_t n, m;
  int hidden;
  Host queries, keys;
  std::vector<int32_t> targets;
  simcse_contrast contrast;
};

struct SimilarityForward {
  Expected loss, lse, query_norm, key_norm;
};
SimilarityForward similarity_forward_expected(const SimilarityVectors &vectors);

// The backward pass takes log-sum-exps as they are given: those of a large problem are estimated from some keys.
struct SimilarityBackward {
  Host lse, query_norm, key_norm;
  Expected d_queries, d_keys;
};
SimilarityBackward similarity_backward_expected(const SimilarityVectors &vectors);

}  // namespace simcse::cuda::dev
