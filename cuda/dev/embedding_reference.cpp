#include "embedding_reference.hpp"

#include <algorithm>
#include <cmath>

namespace simcse::cuda::dev {

namespace {

constexpr int64_t kComparedTokens = 2000;

struct Row {
  Doubles y;  // normalised
  double mean = 0, rstd = 0;
};

Row row_of(const EmbeddingTables &t, int64_t id, int64_t position) {
  Row row;
  const int64_t hidden = t.gamma.count();
  double squares = 0;
  for (int64_t c = 0; c < hidden; c++) {
    row.y.push_back(t.word[id * hidden + c] + t.position[position * hidden + c] + t.type[c]);
    row.mean += row.y.back() / static_cast<double>(hidden);
  }
  for (const double x : row.y) squares += (x - row.mean) * (x - row.mean);
  row.rstd = 1 / std::sqrt(squares / static_cast<double>(hidden) + kEmbeddingEpsilon);
  for (double &x : row.y) x = (x - row.mean) * row.rstd;
  return row;
}

}  // namespace

EmbeddingTables::EmbeddingTables(const Shape &shape, int64_t rows, Random &random)
    : word(Host::random(shape.type(), shape["V"] * shape["H"], random)),
      position(Host::random(shape.type(), kPositions * shape["H"], random)),
      type(Host::random(shape.type(), shape["H"], random)),
      gamma(Host::random(Type::f32, shape["H"], random, 1, 1)),
      beta(Host::random(Type::f32, shape["H"], random)),
      d_out(Host::random(shape.type(), rows * shape["H"], random)) {}

EmbeddingExpected embedding_expected(const Sentences &s, const simcse_dropout &dropout, const EmbeddingTables &t) {
  const int64_t hidden = t.gamma.count(), tokens = s.tokens();
  EmbeddingExpected e = {{}, {}, {}, {}, {}, {}, {}, {}, Host(Type::f32, tokens), Host(Type::f32, tokens)};
  e.out.each = hidden;
  for (Expected *each : {&e.d_type, &e.d_gamma, &e.d_beta}) each->reference.assign(static_cast<size_t>(hidden), 0);
  e.d_word.reference.assign(static_cast<size_t>(t.word.count()), 0);
  e.d_position.reference.assign(static_cast<size_t>(t.position.count()), 0);
  const std::vector<int64_t> compared = spread(tokens, kComparedTokens);
  for (int64_t token = 0; token < tokens; token++) {
    const RowPlace at = s.place(static_cast<int>(token));
    const int64_t id = s.id(static_cast<int>(token));
    const Row row = row_of(t, id, at.position);
    e.mean.reference.push_back(row.mean);
    e.rstd.reference.push_back(row.rstd);
    e.mean_values.set(token, row.mean);
    e.rstd_values.set(token, row.rstd);
    const bool compares = std::binary_search(compared.begin(), compared.end(), token);
    Doubles d(static_cast<size_t>(hidden), 0.0);
    double mean_g = 0, mean_g_y = 0;
    for (int view = 0; view < s.batch()->views; view++) {
      const int64_t first = (view * tokens + token) * hidden;
      if (compares) e.out.first.push_back(first);
      for (int64_t c = 0; c < hidden; c++) {
        const double factor = dropout_factor(dropout, c, at.position, at.sample, at.view + static_cast<uint32_t>(view));
        if (compares) e.out.reference.push_back(factor * (row.y[static_cast<size_t>(c)] * t.gamma[c] + t.beta[c]));
        d[static_cast<size_t>(c)] += factor * t.d_out[first + c];
      }
    }
    for (int64_t c = 0; c < hidden; c++) {
      const double y = row.y[static_cast<size_t>(c)];
      e.d_gamma.reference[static_cast<size_t>(c)] += d[static_cast<size_t>(c)] * y;
      e.d_beta.reference[static_cast<size_t>(c)] += d[static_cast<size_t>(c)];
      mean_g += d[static_cast<size_t>(c)] * t.gamma[c] / static_cast<double>(hidden);
      mean_g_y += d[static_cast<size_t>(c)] * t.gamma[c] * y / static_cast<double>(hidden);
    }
    for (int64_t c = 0; c < hidden; c++) {
      const size_t i = static_cast<size_t>(c);
      const double d_sum = row.rstd * (d[i] * t.gamma[c] - mean_g - row.y[i] * mean_g_y);
      e.d_word.reference[static_cast<size_t>(id * hidden + c)] += d_sum;
      e.d_position.reference[static_cast<size_t>(at.position * hidden + c)] += d_sum;
      e.d_type.reference[static_cast<size_t>(c)] += d_sum;
    }
  }
  e.out.naive = rounded(t.d_out.type(), e.out.reference);
  return e;
}

int64_t different_ids(const Sentences &s) {
  std::vector<int> ids;
  for (int token = 0; token < s.tokens(); token++) ids.push_back(s.id(token));
  std::sort(ids.begin(), ids.end());
  return std::unique(ids.begin(), ids.end()) - ids.begin();
}

}  // namespace simcse::cuda::dev
