// The contrastive loss and its gradients in double, anchor by anchor and term by term, as simcse.h has them.
#pragma once

#include "check.hpp"

namespace simcse::cuda::tests {

using Doubles = std::vector<double>;

// Queries or keys, each of unit length, and what each is paired with.
struct ReferenceSide {
  int count = 0, hidden = 0;
  Doubles norm, unit, d_unit;
  std::vector<int> partner;  // on the other side; -1 where there is none
  std::vector<int64_t> ids;  // none where all are different

  ReferenceSide(const Doubles &x, int rows, int width);
  double cosine(int i, const ReferenceSide &other, int j) const;
  void pull(int i, ReferenceSide &other, int j, double coefficient);
  Doubles gradient() const;
};

class SimilarityReference {
 public:
  SimilarityReference(const Doubles &queries, const Doubles &keys, int n, int m, int hidden,
                      const Array<int32_t> &targets, const simcse_contrast &contrast);
  void forward();
  void backward(double loss_scale);
  // The margin nearest to what is asked for that lies so far from every difference of cosines, up to `above` past it,
  // that rounding cannot decide what is left out.
  double clear_margin(double wish, double below, double above) const;

  double loss = 0;
  Doubles lse, key_lse;
  ReferenceSide queries, keys;
  simcse_contrast contrast;
  int left_out = 0;  // terms, of all anchors

 private:
  template <typename Visit>
  void terms(const ReferenceSide &anchors, int anchor, const ReferenceSide &others, const Visit &visit) const;
  bool repeats(const ReferenceSide &a, int i, const ReferenceSide &b, int j) const;
  double logit(int query, int key) const;
  double log_sum(const ReferenceSide &anchors, int anchor, const ReferenceSide &others);
  void pull_terms(ReferenceSide &anchors, int anchor, ReferenceSide &others, double lse, double factor);
};

}  // namespace simcse::cuda::tests
