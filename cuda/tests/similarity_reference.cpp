#include "similarity_reference.hpp"

#include <algorithm>

namespace simcse::cuda::tests {

ReferenceSide::ReferenceSide(const Doubles &x, int rows, int width)
    : count(rows), hidden(width), unit(x), d_unit(x.size(), 0.0), partner(static_cast<std::size_t>(rows), -1) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++) {
    double *const row = &unit[i * static_cast<std::size_t>(hidden)];
    double squares = 0;
    for (int c = 0; c < hidden; c++) squares += row[c] * row[c];
    norm.push_back(std::sqrt(squares));
    for (int c = 0; c < hidden; c++) row[c] = squares == 0 ? 0 : row[c] / norm[i];
  }
}

double ReferenceSide::cosine(int i, const ReferenceSide &other, int j) const {
  double sum = 0;
  for (int c = 0; c < hidden; c++) {
    sum += unit[static_cast<std::size_t>(i * hidden + c)] * other.unit[static_cast<std::size_t>(j * hidden + c)];
  }
  return sum;
}

void ReferenceSide::pull(int i, ReferenceSide &other, int j, double coefficient) {
  for (int c = 0; c < hidden; c++) {
    const auto mine = static_cast<std::size_t>(i * hidden + c), others = static_cast<std::size_t>(j * hidden + c);
    d_unit[mine] += coefficient * other.unit[others];
    other.d_unit[others] += coefficient * unit[mine];
  }
}

Doubles ReferenceSide::gradient() const {
  Doubles all(unit.size(), 0.0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++) {
    double along = 0;
    const std::size_t first = i * static_cast<std::size_t>(hidden), end = first + static_cast<std::size_t>(hidden);
    for (std::size_t c = first; c < end; c++) along += unit[c] * d_unit[c];
    for (std::size_t c = first; c < end && norm[i] != 0; c++) all[c] = (d_unit[c] - unit[c] * along) / norm[i];
  }
  return all;
}

SimilarityReference::SimilarityReference(const Doubles &q, const Doubles &k, int n, int m, int hidden,
                                         const Array<int32_t> &targets, const simcse_contrast &options)
    : queries(q, n, hidden), keys(k, m, hidden), contrast(options) {
  for (int i = n - 1; i >= 0; i--) {
    queries.partner[static_cast<std::size_t>(i)] = targets[i];
    keys.partner[static_cast<std::size_t>(targets[i])] = i;
  }
  if (contrast.query_ids == nullptr) return;
  queries.ids.assign(contrast.query_ids, contrast.query_ids + n);
  keys.ids.assign(contrast.key_ids, contrast.key_ids + m);
}

bool SimilarityReference::repeats(const ReferenceSide &a, int i, const ReferenceSide &b, int j) const {
  if (a.ids.empty()) return false;
  const auto id = [this](const ReferenceSide &side, int k) { return side.ids[static_cast<std::size_t>(k)]; };
  const auto says = [&](const ReferenceSide &side, int k, int64_t what) {
    const int partner = side.partner[static_cast<std::size_t>(k)];
    return id(side, k) == what || (partner >= 0 && id(&side == &queries ? keys : queries, partner) == what);
  };
  return says(a, i, id(b, j)) || says(b, j, id(a, i));
}

double SimilarityReference::logit(int query, int key) const {
  const bool own = contrast.own_negative_bias != 0 && key == contrast.own_negative_offset + query;
  return queries.cosine(query, keys, key) / static_cast<double>(contrast.temperature) +
         (own ? static_cast<double>(contrast.own_negative_bias) : 0);
}

template <typename Visit>
void SimilarityReference::terms(const ReferenceSide &anchors, int anchor, const ReferenceSide &others,
                                const Visit &visit) const {
  const int partner = anchors.partner[static_cast<std::size_t>(anchor)];
  const double margin = contrast.has_margin ? static_cast<double>(contrast.false_negative_margin) : INFINITY;
  const double limit = anchors.cosine(anchor, others, partner) + margin;
  for (int j = 0; j < others.count; j++) {
    const bool counts = j == partner || (!repeats(anchors, anchor, others, j) &&
                                         anchors.cosine(anchor, others, j) <= limit);
    visit(others, j, &anchors == &queries ? logit(anchor, j) : logit(j, anchor), counts);
  }
  for (int i = 0; i < anchors.count && contrast.same_side_negatives; i++) {
    const double cosine = anchors.cosine(anchor, anchors, i);
    if (i == anchor) continue;
    visit(anchors, i, cosine / static_cast<double>(contrast.temperature),
          !repeats(anchors, anchor, anchors, i) && cosine <= limit);
  }
}

double SimilarityReference::log_sum(const ReferenceSide &anchors, int anchor, const ReferenceSide &others) {
  double most = -INFINITY, sum = 0;
  terms(anchors, anchor, others, [&](const ReferenceSide &, int, double s, bool counts) {
    if (counts) most = std::max(most, s);
    left_out += !counts;
  });
  terms(anchors, anchor, others, [&](const ReferenceSide &, int, double s, bool counts) {
    if (counts) sum += std::exp(s - most);
  });
  return most + std::log(sum);
}

void SimilarityReference::forward() {
  const double share = (contrast.both_directions ? 0.5 : 1.0) / queries.count;
  for (int i = 0; i < queries.count; i++) {
    lse.push_back(log_sum(queries, i, keys));
    loss += share * (lse.back() - logit(i, queries.partner[static_cast<std::size_t>(i)]));
  }
  for (int j = 0; j < keys.count && contrast.both_directions; j++) {
    const int query = keys.partner[static_cast<std::size_t>(j)];
    key_lse.push_back(query < 0 ? INFINITY : log_sum(keys, j, queries));
    if (query >= 0) loss += share * (key_lse.back() - logit(query, j));
  }
}

void SimilarityReference::pull_terms(ReferenceSide &anchors, int anchor, ReferenceSide &others, double of_anchor,
                                     double factor) {
  terms(anchors, anchor, others, [&](const ReferenceSide &side, int index, double s, bool counts) {
    ReferenceSide &to = &side == &anchors ? anchors : others;
    if (counts) anchors.pull(anchor, to, index, factor * std::exp(s - of_anchor));
  });
  anchors.pull(anchor, others, anchors.partner[static_cast<std::size_t>(anchor)], -factor);
}

void SimilarityReference::backward(double loss_scale) {
  const double factor = loss_scale * (contrast.both_directions ? 0.5 : 1.0) / queries.count /
                        static_cast<double>(contrast.temperature);
  for (int i = 0; i < queries.count; i++) pull_terms(queries, i, keys, lse[static_cast<std::size_t>(i)], factor);
  for (int j = 0; j < keys.count && contrast.both_directions; j++) {
    if (keys.partner[static_cast<std::size_t>(j)] < 0) continue;
    pull_terms(keys, j, queries, key_lse[static_cast<std::size_t>(j)], factor);
  }
}

double SimilarityReference::clear_margin(double wish, double below, double above) const {
  Doubles differences;
  const auto collect = [&](const ReferenceSide &anchors, const ReferenceSide &others) {
    for (int a = 0; a < anchors.count; a++) {
      const int partner = anchors.partner[static_cast<std::size_t>(a)];
      if (partner < 0) continue;
      const double positive = anchors.cosine(a, others, partner);
      for (int j = 0; j < others.count; j++) differences.push_back(anchors.cosine(a, others, j) - positive);
      for (int i = 0; i < anchors.count; i++) differences.push_back(anchors.cosine(a, anchors, i) - positive);
    }
  };
  collect(queries, keys);
  collect(keys, queries);
  std::sort(differences.begin(), differences.end());
  double best = INFINITY;
  for (std::size_t i = 0; i + 1 < differences.size(); i++) {
    const double margin = differences[i] + below;
    if (margin + above >= differences[i + 1]) continue;
    if (std::fabs(margin - wish) < std::fabs(best - wish)) best = margin;
  }
  return best;
}

}  // namespace simcse::cuda::tests
