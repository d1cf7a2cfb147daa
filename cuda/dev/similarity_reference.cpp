#include "similarity_reference.hpp"

#include <algorithm>
#include <cmath>

namespace simcse::cuda::dev {

namespace {

constexpr double kWhole = 4e8;      // N M H up to which all is computed
constexpr int64_t kCompared = 32;   // vectors of a side beyond it
constexpr int64_t kEstimated = 64;  // keys of an estimated log-sum-exp

// Units and lengths of a side, read once.
struct Side {
  explicit Side(const Host &vectors, int hidden) : units(doubles_of(vectors)) {
    for (size_t i = 0; i < units.size(); i += static_cast<size_t>(hidden)) {
      double squares = 0;
      for (size_t c = i; c < i + static_cast<size_t>(hidden); c++) squares += units[c] * units[c];
      norms.push_back(std::sqrt(squares));
      for (size_t c = i; c < i + static_cast<size_t>(hidden); c++) units[c] /= norms.back();
    }
  }
  Doubles units, norms;
};

struct Logits {
  explicit Logits(const SimilarityVectors &vectors)
      : v(vectors), queries(vectors.queries, vectors.hidden), keys(vectors.keys, vectors.hidden) {}
  bool whole() const { return static_cast<double>(v.n) * static_cast<double>(v.m) * v.hidden <= kWhole; }
  double at(int64_t i, int64_t j) const {
    const double *const x = queries.units.data() + i * v.hidden, *const y = keys.units.data() + j * v.hidden;
    double sums[4] = {};
    int c = 0;
    for (; c + 4 <= v.hidden; c += 4) {
      for (int k = 0; k < 4; k++) sums[k] += x[c + k] * y[c + k];
    }
    for (; c < v.hidden; c++) sums[0] += x[c] * y[c];
    const double bias = j == v.contrast.own_negative_offset + i ? static_cast<double>(v.contrast.own_negative_bias) : 0;
    return (sums[0] + sums[1] + sums[2] + sums[3]) / static_cast<double>(v.contrast.temperature) + bias;
  }
  // Over these keys, as if they stood for all, but for the query's own.
  double lse(int64_t i, const std::vector<int64_t> &some) const {
    const int64_t target = v.targets[static_cast<size_t>(i)];
    double sum = 0;
    for (const int64_t j : some) sum += j == target ? 0 : std::exp(at(i, j));
    const double share = static_cast<double>(v.m) / static_cast<double>(some.size());
    return std::log(sum * share + std::exp(at(i, target)));
  }
  const SimilarityVectors &v;
  Side queries, keys;
};

// Of one vector, from the gradient of its unit.
void through_normalisation(const Side &side, int64_t i, const Doubles &direction, Doubles &to) {
  const double *const unit = side.units.data() + i * static_cast<int64_t>(direction.size());
  double along = 0;
  for (size_t c = 0; c < direction.size(); c++) along += unit[c] * direction[c];
  for (size_t c = 0; c < direction.size(); c++) {
    to.push_back((direction[c] - unit[c] * along) / side.norms[static_cast<size_t>(i)]);
  }
}

}  // namespace

SimilarityVectors::SimilarityVectors(const Shape &shape)
    : n(shape["N"]), m(shape["M"]), hidden(shape.integer("H")), queries(shape.type(), n * hidden),
      keys(shape.type(), m * hidden), contrast{} {
  contrast.temperature = 0.05f;
  contrast.own_negative_offset = n;
  Random random(1);
  queries = Host::random(shape.type(), n * hidden, random);
  keys = Host::random(shape.type(), m * hidden, random);
  if (shape.has("bias")) contrast.own_negative_bias = static_cast<float>(shape["bias"]) / 10;
  for (int64_t i = 0; i < n; i++) {
    targets.push_back(static_cast<int32_t>(i % m));
    for (int64_t c = i * hidden; c < (i + 1) * hidden && i < m; c++) keys.set(c, queries[c] + 2 * keys[c]);
  }
}

SimilarityForward similarity_forward_expected(const SimilarityVectors &v) {
  const Logits logits(v);
  SimilarityForward e;
  e.query_norm.reference = logits.queries.norms;
  e.key_norm.reference = logits.keys.norms;
  e.lse.each = 1;
  e.lse.first = spread(v.n, logits.whole() ? v.n : kCompared);
  double loss = 0;
  for (const int64_t i : e.lse.first) {
    double sum = 0;
    for (int64_t j = 0; j < v.m; j++) sum += std::exp(logits.at(i, j));
    e.lse.reference.push_back(std::log(sum));
    loss += (e.lse.reference.back() - logits.at(i, v.targets[static_cast<size_t>(i)])) / static_cast<double>(v.n);
  }
  if (logits.whole()) e.loss.reference.push_back(loss);
  return e;
}

SimilarityBackward similarity_backward_expected(const SimilarityVectors &v) {
  const Logits logits(v);
  SimilarityBackward e = {Host(Type::f32, v.n), Host(Type::f32, v.n), Host(Type::f32, v.m), {}, {}};
  for (int64_t i = 0; i < v.n; i++) e.query_norm.set(i, logits.queries.norms[static_cast<size_t>(i)]);
  for (int64_t j = 0; j < v.m; j++) e.key_norm.set(j, logits.keys.norms[static_cast<size_t>(j)]);
  const std::vector<int64_t> some = spread(v.m, logits.whole() ? v.m : kEstimated);
  for (int64_t i = 0; i < v.n; i++) e.lse.set(i, logits.lse(i, some));
  const double scale = static_cast<double>(kLossScale) / static_cast<double>(v.n) /
                       static_cast<double>(v.contrast.temperature);
  const auto gradient = [&](int64_t i, int64_t j) {
    return scale * (std::exp(logits.at(i, j) - e.lse[i]) - (j == v.targets[static_cast<size_t>(i)] ? 1 : 0));
  };
  for (const bool of_keys : {false, true}) {
    Expected &to = of_keys ? e.d_keys : e.d_queries;
    const Side &other_side = of_keys ? logits.queries : logits.keys;
    const int64_t count = of_keys ? v.m : v.n, others = of_keys ? v.n : v.m;
    to.each = v.hidden;
    for (const int64_t mine : spread(count, logits.whole() ? count : kCompared)) {
      to.first.push_back(mine * v.hidden);
      Doubles direction(static_cast<size_t>(v.hidden), 0.0);
      for (int64_t other = 0; other < others; other++) {
        const double g = of_keys ? gradient(other, mine) : gradient(mine, other);
        const double *const unit = other_side.units.data() + other * v.hidden;
        for (size_t c = 0; c < direction.size(); c++) direction[c] += g * unit[c];
      }
      through_normalisation(of_keys ? logits.keys : logits.queries, mine, direction, to.reference);
    }
    to.naive = rounded(v.queries.type(), to.reference);
  }
  return e;
}

}  // namespace simcse::cuda::dev
