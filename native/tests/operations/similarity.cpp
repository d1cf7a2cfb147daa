// similarity_softmax_forward and _backward, against the loss with all its logits at hand.
#include <cmath>

#include "harness.hpp"

namespace simcse_test {
namespace {

struct Shape {
  int64_t queries, keys;
  int hidden;
  float temperature;
  bool own_negatives;  // the second half of the keys, which is then as large as the queries
  bool zero_vectors;
};

struct Loss {
  Numbers loss, lse, query_norm, key_norm, d_queries, d_keys;
};

template <typename Real> class Reference {
 public:
  Reference(const Shape &s, const Numbers &queries, const Numbers &keys, const Numbers &targets,
            const simcse_contrast &contrast)
      : s_(s), targets_(targets), contrast_(contrast) {
    query_ = units(queries, &query_norm_);
    key_ = units(keys, &key_norm_);
    logits_.resize(static_cast<std::size_t>(s.queries * s.keys));
    for (int64_t i = 0; i < s.queries; i++) {
      for (int64_t j = 0; j < s.keys; j++) {
        Real dot = 0;
        for (int h = 0; h < s.hidden; h++) dot += query_[i * s.hidden + h] * key_[j * s.hidden + h];
        bool own = contrast.own_negative_bias != 0 && j == contrast.own_negative_offset + i;
        logits_[i * s.keys + j] =
            dot / static_cast<Real>(contrast.temperature) + (own ? static_cast<Real>(contrast.own_negative_bias) : 0);
      }
    }
  }

  Loss forward() const {
    Loss r;
    Real total = 0;
    for (int64_t i = 0; i < s_.queries; i++) {
      const Real *row = &logits_[i * s_.keys];
      Real most = -INFINITY, sum = 0;
      for (int64_t j = 0; j < s_.keys; j++) most = std::fmax(most, row[j]);
      for (int64_t j = 0; j < s_.keys; j++) sum += std::exp(row[j] - most);
      Real lse = most + std::log(sum);
      r.lse.push_back(lse);
      total += lse - row[static_cast<int64_t>(targets_[i])];
    }
    r.loss = {static_cast<double>(total / static_cast<Real>(s_.queries))};
    r.query_norm.assign(query_norm_.begin(), query_norm_.end());
    r.key_norm.assign(key_norm_.begin(), key_norm_.end());
    return r;
  }

  void backward(const Numbers &lse, float loss_scale, Loss *r) const {
    std::vector<Real> d_query(query_.size(), Real(0)), d_key(key_.size(), Real(0));
    for (int64_t i = 0; i < s_.queries; i++) {
      for (int64_t j = 0; j < s_.keys; j++) {
        Real probability = std::exp(logits_[i * s_.keys + j] - static_cast<Real>(lse[i]));
        Real d = (probability - (j == static_cast<int64_t>(targets_[i]) ? 1 : 0)) * static_cast<Real>(loss_scale);
        d /= static_cast<Real>(s_.queries) * static_cast<Real>(contrast_.temperature);
        for (int h = 0; h < s_.hidden; h++) {
          d_query[i * s_.hidden + h] += d * key_[j * s_.hidden + h];
          d_key[j * s_.hidden + h] += d * query_[i * s_.hidden + h];
        }
      }
    }
    r->d_queries = through_norm(d_query, query_, query_norm_);
    r->d_keys = through_norm(d_key, key_, key_norm_);
  }

 private:
  std::vector<Real> units(const Numbers &x, std::vector<Real> *norms) const {
    std::vector<Real> unit(x.begin(), x.end());
    for (std::size_t i = 0; i < unit.size(); i += static_cast<std::size_t>(s_.hidden)) {
      Real squares = 0;
      for (int h = 0; h < s_.hidden; h++) squares += unit[i + h] * unit[i + h];
      norms->push_back(std::sqrt(squares));
      for (int h = 0; h < s_.hidden; h++) unit[i + h] = squares == 0 ? 0 : unit[i + h] / norms->back();
    }
    return unit;
  }

  Numbers through_norm(const std::vector<Real> &d, const std::vector<Real> &unit, const std::vector<Real> &norm) const {
    Numbers gradient;
    for (std::size_t i = 0; i < norm.size(); i++) {
      Real along = 0;
      for (int h = 0; h < s_.hidden; h++) along += d[i * s_.hidden + h] * unit[i * s_.hidden + h];
      for (int h = 0; h < s_.hidden; h++) {
        std::size_t at = i * s_.hidden + h;
        gradient.push_back(norm[i] == 0 ? 0 : (d[at] - unit[at] * along) / norm[i]);
      }
    }
    return gradient;
  }

  const Shape &s_;
  const Numbers &targets_;
  simcse_contrast contrast_;
  std::vector<Real> query_, key_, query_norm_, key_norm_, logits_;
};

struct Inputs {
  Numbers queries, keys, targets;
  simcse_contrast contrast;
};

Inputs inputs_of(Case &c, Type type, const Shape &s) {
  Inputs in = {c.random.normals(type, s.queries * s.hidden), c.random.normals(type, s.keys * s.hidden), {}, {}};
  for (int64_t i = 0; i < s.queries; i++) in.targets.push_back(static_cast<double>(c.random.below(s.keys)));
  if (s.zero_vectors) {
    std::fill_n(in.queries.begin() + (s.queries / 2) * s.hidden, s.hidden, 0.0);
    std::fill_n(in.keys.begin() + (s.keys - 1) * s.hidden, s.hidden, 0.0);
  }
  in.contrast.temperature = s.temperature;
  if (s.own_negatives) {
    in.contrast.own_negative_offset = s.keys - s.queries;
    in.contrast.own_negative_bias = 1.5f;
  }
  return in;
}

// The smallest norm above 0.
double least(const Numbers &some, const Numbers &others) {
  double smallest = INFINITY;
  for (const Numbers *norms : {&some, &others}) {
    for (double norm : *norms) smallest = norm > 0 ? std::fmin(smallest, norm) : smallest;
  }
  return smallest;
}

std::string label(const char *operation, Type type, const Shape &s) {
  return format("%s %s, %d queries, %d keys, hidden %d, temperature %g%s%s", operation, name(type),
                static_cast<int>(s.queries), static_cast<int>(s.keys), s.hidden, static_cast<double>(s.temperature),
                s.own_negatives ? ", own negatives" : "", s.zero_vectors ? ", zero vectors" : "");
}

void check_forward(Suite &suite, Type type, const Shape &s) {
  Case c(suite, label("similarity_softmax_forward", type, s));
  Inputs in = inputs_of(c, type, s);
  Operand &queries = c.input("queries", type, in.queries), &keys = c.input("keys", type, in.keys);
  Operand &targets = c.input("targets", Type::kI32, in.targets), &loss = c.output("loss", Type::kF32, 1);
  Operand &lse = c.output("lse", Type::kF32, s.queries), &query_norm = c.output("query_norm", Type::kF32, s.queries);
  Operand &key_norm = c.output("key_norm", Type::kF32, s.keys);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_similarity_softmax_forward a = {};
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.queries_count = s.queries;
    a.keys_count = s.keys;
    a.queries = queries;
    a.keys = keys;
    a.targets = targets;
    a.contrast = in.contrast;
    a.loss = loss;
    a.lse = lse;
    a.query_norm = query_norm;
    a.key_norm = key_norm;
    return api.similarity_softmax_forward(device, nullptr, c.arguments(a));
  });
  Loss want = Reference<double>(s, in.queries, in.keys, in.targets, in.contrast).forward();
  Loss plain = Reference<float>(s, in.queries, in.keys, in.targets, in.contrast).forward();
  // The loss is a difference of logits; with one or two keys it may be far smaller than those.
  double scale = s.keys < 3 ? 1 / static_cast<double>(s.temperature) : 0;
  c.expect(loss, want.loss, plain.loss, scale);
  c.expect(lse, want.lse, plain.lse, scale);
  c.expect(query_norm, want.query_norm, plain.query_norm);
  c.expect(key_norm, want.key_norm, plain.key_norm);
}

void check_backward(Suite &suite, Type type, const Shape &s, float loss_scale) {
  Case c(suite, label("similarity_softmax_backward", type, s) +
                    format(", loss_scale %g", static_cast<double>(loss_scale)));
  Inputs in = inputs_of(c, type, s);
  Reference<double> truth(s, in.queries, in.keys, in.targets, in.contrast);
  Reference<float> loop(s, in.queries, in.keys, in.targets, in.contrast);
  Loss want = truth.forward(), plain;
  want.lse = rounded(Type::kF32, want.lse);
  truth.backward(want.lse, loss_scale, &want);
  loop.backward(want.lse, loss_scale, &plain);
  Operand &queries = c.input("queries", type, in.queries), &keys = c.input("keys", type, in.keys);
  Operand &targets = c.input("targets", Type::kI32, in.targets), &lse = c.input("lse", Type::kF32, want.lse);
  Operand &query_norm = c.input("query_norm", Type::kF32, want.query_norm);
  Operand &key_norm = c.input("key_norm", Type::kF32, want.key_norm);
  Operand &d_queries = c.output("d_queries", type, s.queries * s.hidden);
  Operand &d_keys = c.output("d_keys", type, s.keys * s.hidden);
  c.run([&](const simcse_api &api, simcse_device *device) {
    simcse_similarity_softmax_backward a = {};
    a.dtype = dtype(type);
    a.hidden = s.hidden;
    a.queries_count = s.queries;
    a.keys_count = s.keys;
    a.queries = queries;
    a.keys = keys;
    a.targets = targets;
    a.contrast = in.contrast;
    a.lse = lse;
    a.query_norm = query_norm;
    a.key_norm = key_norm;
    a.loss_scale = loss_scale;
    a.d_queries = d_queries;
    a.d_keys = d_keys;
    return api.similarity_softmax_backward(device, nullptr, c.arguments(a));
  });
  // With one or two keys, or one channel, what is left of the gradient may be nothing but rounding.
  double step = std::fabs(static_cast<double>(loss_scale)) / (static_cast<double>(s.temperature * s.queries));
  double scale = s.keys < 3 || s.hidden == 1 ? 2 * step / least(want.query_norm, want.key_norm) : 0;
  c.expect(d_queries, want.d_queries, plain.d_queries, scale);
  c.expect(d_keys, want.d_keys, plain.d_keys, scale);
}

}  // namespace

void test_similarity(Suite &suite) {
  static const Shape kShapes[] = {
      {1, 1, 1, 1, false, false},         {1, 1, 40, 0.05f, false, false},    {1, 2, 3, 0.05f, false, false},
      {2, 1, 7, 0.5f, false, false},      {3, 5, 1, 1, false, false},         {5, 5, 16, 0.05f, false, true},
      {15, 17, 31, 0.05f, false, false},  {16, 16, 32, 0.05f, false, false},  {31, 62, 33, 0.05f, true, false},
      {32, 33, 5, 0.1f, false, true},     {33, 66, 64, 0.05f, true, true},    {64, 64, 128, 0.05f, false, false},
      {65, 129, 65, 0.07f, false, false}, {5, 700, 70, 0.05f, false, false},  {130, 3, 48, 0.05f, false, false},
      {70, 140, 257, 0.05f, true, false}, {129, 257, 96, 0.05f, false, true}, {300, 600, 32, 0.05f, true, false},
  };
  for (Type type : kFloats) {
    for (const Shape &s : kShapes) {
      check_forward(suite, type, s);
      check_backward(suite, type, s, s.queries % 2 == 0 ? 1.0f : 0.125f);
    }
  }
}

}  // namespace simcse_test
