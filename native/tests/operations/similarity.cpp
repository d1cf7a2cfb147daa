// similarity_softmax_forward and _backward, against the loss with all its logits at hand.
#include <algorithm>
#include <cmath>

#include "contrast.hpp"

namespace simcse_test {
namespace {

enum Options { kPlain = 0, kBoth = 1, kSameSide = 2, kIds = 4, kMargin = 8, kAll = 15 };

struct Shape {
  int64_t queries, keys;
  int hidden;
  float temperature;
  bool own_negatives;  // the second half of the keys, which is then as large as the queries
  bool zero_vectors;
  int options;
};

// Some ids are those of a partner, of another query and of another key.
void give_ids(Case &c, ContrastInputs *in) {
  for (int64_t i = 0; i < in->queries_count; i++) in->query_ids.push_back(static_cast<double>(i));
  for (int64_t j = 0; j < in->keys_count; j++) in->key_ids.push_back(static_cast<double>(-1 - j));
  for (int64_t i = 0; i < in->queries_count; i += 3) {
    in->query_ids[c.random.below(in->queries_count)] = static_cast<double>(i);
    in->key_ids[c.random.below(in->keys_count)] = static_cast<double>(i);
    in->key_ids[c.random.below(in->keys_count)] = in->key_ids[c.random.below(in->keys_count)];
  }
}

// Different ones, where both directions need that.
Numbers some_targets(Case &c, const Shape &s) {
  Numbers targets;
  if ((s.options & kBoth) == 0) {
    for (int64_t i = 0; i < s.queries; i++) targets.push_back(static_cast<double>(c.random.below(s.keys)));
    return targets;
  }
  for (int64_t j = 0; j < s.keys; j++) targets.push_back(static_cast<double>(j));
  for (int64_t i = 0; i < s.queries; i++) std::swap(targets[i], targets[i + c.random.below(s.keys - i)]);
  targets.resize(static_cast<std::size_t>(s.queries));
  return targets;
}

ContrastInputs inputs_of(Case &c, Type type, const Shape &s) {
  ContrastInputs in;
  in.queries_count = s.queries;
  in.keys_count = s.keys;
  in.hidden = s.hidden;
  in.queries = c.random.normals(type, s.queries * s.hidden);
  in.keys = c.random.normals(type, s.keys * s.hidden);
  in.targets = some_targets(c, s);
  if (s.zero_vectors) {
    std::fill_n(in.queries.begin() + (s.queries / 2) * s.hidden, s.hidden, 0.0);
    std::fill_n(in.keys.begin() + (s.keys - 1) * s.hidden, s.hidden, 0.0);
  }
  in.contrast.temperature = s.temperature;
  if (s.own_negatives) {
    in.contrast.own_negative_offset = s.keys - s.queries;
    in.contrast.own_negative_bias = 1.5f;
  }
  in.contrast.both_directions = (s.options & kBoth) != 0;
  in.contrast.same_side_negatives = (s.options & kSameSide) != 0;
  if (s.options & kIds) give_ids(c, &in);
  if (s.options & kMargin) {
    in.contrast.has_margin = 1;
    in.contrast.false_negative_margin = clear_margin(in, s.options & kIds ? 0.05f : -0.1f);
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
  return format("%s %s, %d queries, %d keys, hidden %d, temperature %g%s%s%s%s%s%s", operation, name(type),
                static_cast<int>(s.queries), static_cast<int>(s.keys), s.hidden, static_cast<double>(s.temperature),
                s.own_negatives ? ", own negatives" : "", s.zero_vectors ? ", zero vectors" : "",
                s.options & kBoth ? ", both directions" : "", s.options & kSameSide ? ", same-side negatives" : "",
                s.options & kIds ? ", ids" : "", s.options & kMargin ? ", margin" : "");
}

// What both passes read.
struct Operands {
  Operand &queries, &keys, &targets, *query_ids, *key_ids;

  Operands(Case &c, Type type, const ContrastInputs &in)
      : queries(c.input("queries", type, in.queries)),
        keys(c.input("keys", type, in.keys)),
        targets(c.input("targets", Type::kI32, in.targets)),
        query_ids(in.query_ids.empty() ? nullptr : &c.input("query_ids", Type::kI64, in.query_ids)),
        key_ids(in.key_ids.empty() ? nullptr : &c.input("key_ids", Type::kI64, in.key_ids)) {}

  template <typename Arguments> Arguments arguments(Type type, const ContrastInputs &in) const {
    Arguments a = {};
    a.dtype = dtype(type);
    a.hidden = in.hidden;
    a.queries_count = in.queries_count;
    a.keys_count = in.keys_count;
    a.queries = queries;
    a.keys = keys;
    a.targets = targets;
    a.contrast = in.contrast;
    if (query_ids != nullptr) a.contrast.query_ids = *query_ids;
    if (key_ids != nullptr) a.contrast.key_ids = *key_ids;
    return a;
  }
};

void check_forward(Suite &suite, Type type, const Shape &s) {
  Case c(suite, label("similarity_softmax_forward", type, s));
  ContrastInputs in = inputs_of(c, type, s);
  Operands operands(c, type, in);
  Operand &loss = c.output("loss", Type::kF32, 1), &lse = c.output("lse", Type::kF32, s.queries);
  Operand &query_norm = c.output("query_norm", Type::kF32, s.queries);
  Operand &key_norm = c.output("key_norm", Type::kF32, s.keys);
  Operand *key_lse = s.options & kBoth ? &c.output("key_lse", Type::kF32, s.keys) : nullptr;
  c.run([&](const simcse_api &api, simcse_device *device) {
    auto a = operands.arguments<simcse_similarity_softmax_forward>(type, in);
    a.loss = loss;
    a.lse = lse;
    a.query_norm = query_norm;
    a.key_norm = key_norm;
    if (key_lse != nullptr) a.key_lse = *key_lse;
    return api.similarity_softmax_forward(device, nullptr, c.arguments(a));
  });
  LeftOut out = left_out(in);
  ContrastResults want = contrast_forward<double>(in, out), plain = contrast_forward<float>(in, out);
  // The loss is a difference of logits; with one or two keys, or few that are not left out, it may be far smaller than
  // those.
  double scale = s.keys < 3 || s.options & (kIds | kMargin) ? 1 / static_cast<double>(s.temperature) : 0;
  c.expect(loss, want.loss, plain.loss, scale);
  c.expect(lse, want.lse, plain.lse, scale);
  c.expect(query_norm, want.query_norm, plain.query_norm);
  c.expect(key_norm, want.key_norm, plain.key_norm);
  if (key_lse != nullptr) c.expect(*key_lse, want.key_lse, plain.key_lse, scale);
}

void check_backward(Suite &suite, Type type, const Shape &s, float loss_scale) {
  Case c(suite, label("similarity_softmax_backward", type, s) +
                    format(", loss_scale %g", static_cast<double>(loss_scale)));
  ContrastInputs in = inputs_of(c, type, s);
  LeftOut out = left_out(in);
  ContrastResults want = contrast_forward<double>(in, out), plain;
  want.lse = rounded(Type::kF32, want.lse);
  want.key_lse = rounded(Type::kF32, want.key_lse);
  contrast_backward<double>(in, out, want, loss_scale, &want);
  contrast_backward<float>(in, out, want, loss_scale, &plain);
  Operands operands(c, type, in);
  Operand &lse = c.input("lse", Type::kF32, want.lse);
  Operand &query_norm = c.input("query_norm", Type::kF32, want.query_norm);
  Operand &key_norm = c.input("key_norm", Type::kF32, want.key_norm);
  Operand *key_lse = s.options & kBoth ? &c.input("key_lse", Type::kF32, want.key_lse) : nullptr;
  Operand &d_queries = c.output("d_queries", type, s.queries * s.hidden);
  Operand &d_keys = c.output("d_keys", type, s.keys * s.hidden);
  c.run([&](const simcse_api &api, simcse_device *device) {
    auto a = operands.arguments<simcse_similarity_softmax_backward>(type, in);
    a.lse = lse;
    a.query_norm = query_norm;
    a.key_norm = key_norm;
    if (key_lse != nullptr) a.key_lse = *key_lse;
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

// With a margin of 0 a copy of the positive is not above the positive, and counts as any other key.
void check_copies(Suite &suite, Type type) {
  const Shape s = {20, 60, 100, 0.05f, false, false, kBoth};
  Case c(suite, label("similarity_softmax_forward", type, s) + ", copies of positives, margin 0");
  ContrastInputs in = inputs_of(c, type, s);
  for (int64_t j = s.queries; j < s.keys; j++) {
    std::copy_n(in.keys.begin() + j % s.queries * s.hidden, s.hidden, in.keys.begin() + j * s.hidden);
  }
  for (int64_t i = 0; i < s.queries; i++) in.targets[i] = static_cast<double>(i);
  in.contrast.has_margin = 1;
  Operands operands(c, type, in);
  Operand &loss = c.output("loss", Type::kF32, 1), &lse = c.output("lse", Type::kF32, s.queries);
  Operand &query_norm = c.output("query_norm", Type::kF32, s.queries);
  Operand &key_norm = c.output("key_norm", Type::kF32, s.keys), &key_lse = c.output("key_lse", Type::kF32, s.keys);
  c.run([&](const simcse_api &api, simcse_device *device) {
    auto a = operands.arguments<simcse_similarity_softmax_forward>(type, in);
    a.loss = loss;
    a.lse = lse;
    a.query_norm = query_norm;
    a.key_norm = key_norm;
    a.key_lse = key_lse;
    return api.similarity_softmax_forward(device, nullptr, c.arguments(a));
  });
  LeftOut out = left_out(in);
  c.expect(lse, contrast_forward<double>(in, out).lse, contrast_forward<float>(in, out).lse);
}

}  // namespace

void test_similarity(Suite &suite) {
  static const Shape kShapes[] = {
      {1, 1, 1, 1, false, false, 0},
      {1, 1, 40, 0.05f, false, false, 0},
      {1, 2, 3, 0.05f, false, false, kBoth | kSameSide},
      {2, 1, 7, 0.5f, false, false, kSameSide},
      {3, 5, 1, 1, false, false, 0},
      {5, 5, 16, 0.05f, false, true, 0},
      {15, 17, 31, 0.05f, false, false, 0},
      {16, 16, 32, 0.05f, false, false, kBoth | kSameSide},
      {31, 62, 33, 0.05f, true, false, 0},
      {32, 33, 5, 0.1f, false, true, kBoth},
      {33, 66, 64, 0.05f, true, true, 0},
      {64, 64, 128, 0.01f, false, false, kBoth | kSameSide},
      {65, 129, 65, 0.07f, false, false, 0},
      {5, 700, 70, 0.05f, false, false, kBoth},
      {130, 3, 48, 0.05f, false, false, kSameSide | kIds},
      {70, 140, 257, 0.05f, true, false, 0},
      {129, 257, 96, 0.05f, false, true, 0},
      {300, 600, 32, 0.05f, true, false, 0},
      {300, 600, 32, 0.05f, true, false, kAll},
      {530, 530, 24, 0.05f, false, false, kBoth | kSameSide | kIds},
      {9, 150, 28500, 0.05f, false, false, kBoth},
  };
  for (Type type : kFloats) {
    for (const Shape &s : kShapes) {
      check_forward(suite, type, s);
      check_backward(suite, type, s, s.queries % 2 == 0 ? 1.0f : 0.125f);
    }
    for (int options = 0; options <= kAll; options++) {
      Shape s = {37, 83, 31, 0.05f, options % 3 == 0, false, options};
      check_forward(suite, type, s);
      check_backward(suite, type, s, 0.5f);
    }
    // More than the rows, and the columns, whose sums the CPU's forward pass adds up at once.
    if (!suite.targets.front().own_memory) {
      check_forward(suite, type, {2100, 2101, 2, 0.05f, false, false, kBoth});
      check_forward(suite, type, {3, 8300, 2, 0.05f, false, false, kBoth | kIds});
    }
    check_copies(suite, type);
  }
}

}  // namespace simcse_test
