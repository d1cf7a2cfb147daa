#include "attention_reference.hpp"

#include <algorithm>
#include <cmath>

namespace simcse::cuda::dev {

namespace {

// Heads of sentences, so many that a large problem takes seconds.
constexpr double kMostScores = 4e6;
constexpr int kMostUnits = 200;
constexpr int kMostRows = 64;  // queries, and keys, of a head whose gradients are compared

// One head of one sentence under one view, and its numbers.
struct Unit {
  int row, length, head;
  uint32_t sample, view;
  Doubles part[3], d_out;       // (length, D)
  Doubles out, lse, naive_out;  // (length, D), (length), (length, D)
};

double dot(const Doubles &x, int i, const Doubles &y, int j, int size) {
  const double *const a = x.data() + static_cast<int64_t>(i) * size;
  const double *const b = y.data() + static_cast<int64_t>(j) * size;
  double sums[4] = {};
  for (int d = 0; d < size; d += 4) {
    for (int k = 0; k < 4; k++) sums[k] += a[d + k] * b[d + k];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

void add(Doubles &to, int i, double factor, const Doubles &x, int j, int size) {
  double *const a = to.data() + static_cast<int64_t>(i) * size;
  const double *const b = x.data() + static_cast<int64_t>(j) * size;
  for (int d = 0; d < size; d++) a[d] += factor * b[d];
}

std::vector<Unit> units_of(const AttentionProblem &p) {
  const Sentences &s = *p.sentences;
  const int views = s.batch()->views;
  const int hidden = p.heads * p.head_size;
  std::vector<Unit> units;
  double scores = 0;
  for (const int64_t index : spread(static_cast<int64_t>(views) * s.count() * p.heads, kMostUnits)) {
    const int sentence = static_cast<int>(index / p.heads % s.count());
    const int view = static_cast<int>(index / p.heads / s.count());
    Unit unit = {};
    unit.row = view * s.tokens() + s.first(sentence);
    unit.length = s.length(sentence);
    unit.head = static_cast<int>(index % p.heads);
    unit.sample = s.sample(sentence);
    unit.view = s.view(unit.row);
    scores += static_cast<double>(unit.length) * unit.length;
    if (!units.empty() && scores > kMostScores) break;
    for (int token = unit.row; token < unit.row + unit.length; token++) {
      const int64_t channel = unit.head * p.head_size;
      for (int64_t d = channel; d < channel + p.head_size; d++) {
        for (int part = 0; part < 3; part++) {
          unit.part[part].push_back((*p.qkv)[(static_cast<int64_t>(token) * 3 + part) * hidden + d]);
        }
        unit.d_out.push_back((*p.d_out)[static_cast<int64_t>(token) * hidden + d]);
      }
    }
    units.push_back(std::move(unit));
  }
  return units;
}

double factor_of(const AttentionProblem &p, const Unit &u, int query, int key) {
  return dropout_factor(p.dropout, key, static_cast<uint32_t>(query | u.head << 16), u.sample, u.view);
}

// out and lse, and out where every stored number is rounded to `type`.
void forward(const AttentionProblem &p, Unit &u, Type type) {
  const int size = p.head_size;
  const double scale = 1 / std::sqrt(size);
  u.out.assign(u.d_out.size(), 0);
  u.naive_out = u.out;
  Doubles score(static_cast<size_t>(u.length));
  for (int query = 0; query < u.length; query++) {
    double most = -INFINITY, sum = 0;
    for (int key = 0; key < u.length; key++) {
      const double s = scale * dot(u.part[0], query, u.part[1], key, size);
      score[static_cast<size_t>(key)] = s;
      most = std::max(most, s);
    }
    for (const double s : score) sum += std::exp(s - most);
    u.lse.push_back(most + std::log(sum));
    for (int key = 0; key < u.length; key++) {
      const double factor = factor_of(p, u, query, key);
      if (factor == 0) continue;
      const double weight = std::exp(score[static_cast<size_t>(key)] - u.lse.back());
      add(u.out, query, factor * weight, u.part[2], key, size);
      add(u.naive_out, query, factor * rounded(type, weight), u.part[2], key, size);
    }
  }
  u.naive_out = rounded(type, u.naive_out);
}

struct Gradients {
  Doubles part[3];  // (rows, D), of the rows asked for
};

// After forward, of the queries and keys `rows`; unless `keep`, with every stored number rounded to `type`.
Gradients backward(const AttentionProblem &p, const Unit &u, const std::vector<int64_t> &rows, Type type, bool keep) {
  const Doubles &out = keep ? u.out : u.naive_out;
  const int size = p.head_size;
  const double scale = 1 / std::sqrt(size);
  const auto stored = [&](double x) { return keep ? x : rounded(type, x); };
  Gradients g;
  for (Doubles &part : g.part) part.assign(rows.size() * static_cast<size_t>(size), 0);
  Doubles delta;
  for (int query = 0; query < u.length; query++) delta.push_back(dot(u.d_out, query, out, query, size));
  const auto probability = [&](int query, int key) {
    return std::exp(scale * dot(u.part[0], query, u.part[1], key, size) - u.lse[static_cast<size_t>(query)]);
  };
  const auto d_score = [&](int query, int key, double weight, double factor) {
    const double d_weight = factor * dot(u.d_out, query, u.part[2], key, size);
    return scale * stored(weight * (d_weight - delta[static_cast<size_t>(query)]));
  };
  for (size_t i = 0; i < rows.size(); i++) {
    const int at = static_cast<int>(i), mine = static_cast<int>(rows[i]);
    for (int other = 0; other < u.length; other++) {
      const double as_query = probability(mine, other), as_key = probability(other, mine);
      const double of_query = factor_of(p, u, mine, other), of_key = factor_of(p, u, other, mine);
      add(g.part[0], at, d_score(mine, other, as_query, of_query), u.part[1], other, size);
      add(g.part[1], at, d_score(other, mine, as_key, of_key), u.part[0], other, size);
      add(g.part[2], at, stored(as_key) * of_key, u.d_out, other, size);
    }
  }
  for (Doubles &part : g.part) {
    for (double &x : part) x = stored(x);
  }
  return g;
}

void append(Doubles &to, const Doubles &more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace

AttentionExpected attention_forward_expected(const AttentionProblem &p, Type type) {
  AttentionExpected e;
  e.out.each = p.head_size;
  e.lse.each = 1;
  for (Unit &unit : units_of(p)) {
    for (int64_t row = unit.row; row < unit.row + unit.length; row++) {
      e.out.first.push_back((row * p.heads + unit.head) * p.head_size);
      e.lse.first.push_back(row * p.heads + unit.head);
    }
    forward(p, unit, type);
    append(e.out.reference, unit.out);
    append(e.out.naive, unit.naive_out);
    append(e.lse.reference, unit.lse);
  }
  return e;
}

AttentionGradients attention_backward_expected(const AttentionProblem &p, Type type) {
  AttentionGradients e;
  for (Unit &unit : units_of(p)) {
    const std::vector<int64_t> rows = spread(unit.length, kMostRows);
    forward(p, unit, type);
    const Gradients exact = backward(p, unit, rows, type, true);
    const Gradients naive = backward(p, unit, rows, type, false);
    for (int part = 0; part < 3; part++) {
      Expected &to = e.part[part];
      to.each = p.head_size;
      for (const int64_t row : rows) {
        to.first.push_back((((unit.row + row) * 3 + part) * p.heads + unit.head) * p.head_size);
      }
      append(to.reference, exact.part[part]);
      append(to.naive, naive.part[part]);
    }
  }
  return e;
}

}  // namespace simcse::cuda::dev
