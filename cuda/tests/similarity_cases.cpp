// Vectors of a case, and its check.
#include "similarity_cases.hpp"

#include <algorithm>

namespace simcse::cuda::tests {

namespace {

template <typename T>
void fill(Array<T> &x, int hidden, double common, Random &random) {
  for (int64_t i = 0; i < x.count(); i++) {
    const double shared = std::cos(static_cast<double>(i % hidden) * 1.7) * common;
    x[i] = from_float<T>(static_cast<float>(random.uniform() + shared));
  }
}

template <typename T>
void scale_row(Array<T> &x, int hidden, int row, float factor) {
  for (int64_t c = 0; c < hidden; c++) {
    T &each = x[static_cast<int64_t>(row) * hidden + c];
    each = from_float<T>(to_float(each) * factor);
  }
}

template <typename T>
void copy_row(T *to, const Array<T> &from, int row, int hidden) {
  for (int64_t c = 0; c < hidden; c++) to[c] = from[static_cast<int64_t>(row) * hidden + c];
}

// Keys start as their queries, somewhat changed, so that the loss is small as in training. The targets of other queries
// are any keys, in both directions all different ones.
template <typename T>
struct Vectors {
  Vectors(const Case &k, Random &random)
      : queries(static_cast<int64_t>(k.n) * k.hidden, k.offset),
        keys(static_cast<int64_t>(k.m) * k.hidden, k.offset),
        targets(k.n),
        query_ids(k.n),
        key_ids(k.m) {
    fill(queries, k.hidden, k.common, random);
    fill(keys, k.hidden, k.common, random);
    draw_targets(k, random);
    if (k.options.ties) {
      for (int i = 0; i < k.n; i++) copy_row(&queries[i * k.hidden], keys, random.between(0, 4), k.hidden);
      for (int j = 5; j < k.m; j++) copy_row(&keys[j * k.hidden], keys, random.between(0, 4), k.hidden);
      return;
    }
    for (int i = 0; i < k.n; i += 3) {
      for (int64_t c = static_cast<int64_t>(i) * k.hidden; c < static_cast<int64_t>(i + 1) * k.hidden; c++) {
        keys[c] = from_float<T>(to_float(queries[c]) + 0.3f * to_float(keys[c]));
      }
    }
    // Beyond 32 bits, whose lower half alone would make all of them equal.
    for (int i = 0; i < k.n; i++) query_ids[i] = static_cast<int64_t>(random.between(0, k.n)) << 32;
    for (int j = 0; j < k.m; j++) key_ids[j] = static_cast<int64_t>(random.between(0, k.m)) << 32;
    if (k.n > 2) scale_row(queries, k.hidden, 1, 0);
    if (k.m > 4) scale_row(keys, k.hidden, k.m - 2, 0);
    if (k.n > 8) {  // lengths whose squares are no floats
      scale_row(queries, k.hidden, 5, 1e-30f);
      scale_row(queries, k.hidden, 6, 1e30f);
      scale_row(keys, k.hidden, 7, 1e25f);
      scale_row(keys, k.hidden, 8, 1e-35f);
    }
  }
  void draw_targets(const Case &k, Random &random) {
    std::vector<int32_t> others;
    for (int j = 0; j < k.m; j++) {
      if (j >= k.n || j % 3 != 0) others.push_back(j);
    }
    for (int i = 0; i < k.n; i++) {
      targets[i] = i % 3 == 0 ? i : random.between(0, k.m - 1);
      if (i % 3 == 0 || !k.options.both_directions) continue;
      const int at = random.between(0, static_cast<int>(others.size()) - 1);
      targets[i] = others[static_cast<std::size_t>(at)];
      others.erase(others.begin() + at);
    }
  }
  Array<T> queries, keys;
  Array<int32_t> targets;
  Array<int64_t> query_ids, key_ids;
};

// Rows of unequal lengths: each compared by itself, as its gradient goes with the inverse length.
Doubles times_lengths(Doubles x, const Doubles &norms, int hidden) {
  for (std::size_t i = 0; i < x.size(); i++) x[i] *= norms[i / static_cast<std::size_t>(hidden)];
  return x;
}

template <typename T>
void check_gradient(const char *what, const Case &k, const Array<T> &out, const ReferenceSide &side) {
  const Doubles expected = side.gradient();
  const Doubles exact = times_lengths(expected, side.norm, k.hidden);
  const Error error = error_of(times_lengths(out.values(), side.norm, k.hidden), exact);
  const Error naive = error_of(times_lengths(rounded<T>(expected), side.norm, k.hidden), exact);
  const double limit = sizeof(T) == 2 ? 2 * naive.norm : 1e-5;
  CHECK(error.norm <= limit, "%s of %d and %d, width %d, options %d%d%d%d: error %g (largest %g), above %g", what, k.n,
        k.m, k.hidden, k.options.both_directions, k.options.same_side, k.options.margin, k.options.ids, error.norm,
        error.largest, limit);
}

// The options of a case; its margin leaves out what it may, clear of rounding.
template <typename T>
simcse_contrast contrast_of(const Case &k, const Vectors<T> &in) {
  simcse_contrast contrast = {};
  contrast.temperature = k.temperature;
  contrast.own_negative_bias = k.bias;
  contrast.own_negative_offset = k.n;
  contrast.both_directions = k.options.both_directions;
  contrast.same_side_negatives = k.options.same_side;
  if (k.options.ids) {
    contrast.query_ids = in.query_ids.data();
    contrast.key_ids = in.key_ids.data();
  }
  contrast.has_margin = k.options.margin;
  if (k.options.margin && !k.options.ties) {
    const SimilarityReference all(in.queries.values(), in.keys.values(), k.n, k.m, k.hidden, in.targets, contrast);
    contrast.false_negative_margin = static_cast<float>(all.clear_margin(0.1, 1e-6, 2e-6));
  }
  return contrast;
}

struct Outputs {
  Array<float> loss, lse, query_norm, key_norm, key_lse;
};

void check_forward(const Case &k, const Outputs &out, const SimilarityReference &expected) {
  check_near("query_norm", out.query_norm, expected.queries.norm, {});
  check_near("key_norm", out.key_norm, expected.keys.norm, {});
  const double limit = 1e-5 / static_cast<double>(k.temperature) / 4;
  for (int i = 0; i < k.n; i++) {
    const double difference = std::fabs(out.lse[i] - expected.lse[static_cast<std::size_t>(i)]);
    CHECK(difference <= limit, "lse of %d is off by %g", i, difference);
  }
  for (int j = 0; j < k.m && k.options.both_directions; j++) {
    const double exact = expected.key_lse[static_cast<std::size_t>(j)];
    CHECK(std::isinf(exact) ? static_cast<double>(out.key_lse[j]) == exact : std::fabs(out.key_lse[j] - exact) <= limit,
          "key_lse of %d is %g, not %g", j, static_cast<double>(out.key_lse[j]), exact);
  }
  CHECK(std::fabs(out.loss[0] - expected.loss) <= 2e-6 * (1 + expected.loss), "loss %g, not %g",
        static_cast<double>(out.loss[0]), expected.loss);
}

}  // namespace

template <typename T>
void check_case(const Case &k, const Plans &plans, int seeds) {
  const simcse_dtype dtype = shape_of<T>(k).dtype;
  Random random(static_cast<uint64_t>(k.n * 31 + k.m * 7 + k.hidden));
  const Vectors<T> in(k, random);
  const simcse_contrast contrast = contrast_of<T>(k, in);
  const float loss_scale = 0.75f;
  SimilarityReference expected(in.queries.values(), in.keys.values(), k.n, k.m, k.hidden, in.targets, contrast);
  expected.forward();
  expected.backward(static_cast<double>(loss_scale));
  if (k.n > 8 && (k.options.margin || k.options.ids)) CHECK(expected.left_out > k.n, "%d left out", expected.left_out);
  const int64_t bytes = std::max(similarity_forward_bytes(plans.forward, shape_of<T>(k)),
                                 similarity_backward_bytes(plans.backward, shape_of<T>(k)));
  Doubles first;
  each_seed(seeds, [&](int seed) {
    Outputs out = {Array<float>(1), Array<float>(k.n), Array<float>(k.n), Array<float>(k.m), Array<float>(k.m)};
    Array<T> d_queries(in.queries.count(), k.offset), d_keys(in.keys.count(), k.offset);
    Array<float> scratch(bytes / 4);
    const Queue queue = {nullptr, scratch.data()};
    float *const key_lse = k.options.both_directions ? out.key_lse.data() : nullptr;
    const simcse_similarity_softmax_forward forward = {
        sizeof forward, dtype, k.hidden, k.n, k.m, in.queries.data(), in.keys.data(), in.targets.data(), contrast,
        out.loss.data(), out.lse.data(), out.query_norm.data(), out.key_norm.data(), key_lse};
    RUN(similarity_softmax_forward(queue, forward, plans.forward));
    check_forward(k, out, expected);
    const simcse_similarity_softmax_backward backward = {
        sizeof backward, dtype, k.hidden, k.n, k.m, in.queries.data(), in.keys.data(), in.targets.data(), contrast,
        out.lse.data(), out.query_norm.data(), out.key_norm.data(), key_lse, loss_scale, 0, d_queries.data(),
        d_keys.data()};
    RUN(similarity_softmax_backward(queue, backward, plans.backward));
    if (k.hidden > 1 && k.m > 1) {  // else there is no direction, or nothing to tell apart
      check_gradient("d_queries", k, d_queries, expected.queries);
      check_gradient("d_keys", k, d_keys, expected.keys);
    }
    Doubles now = out.lse.values();
    now.push_back(static_cast<double>(out.loss[0]));
    for (const auto &more : {d_queries.values(), d_keys.values()}) now.insert(now.end(), more.begin(), more.end());
    if (seed == 1) first = now;
    CHECK(std::equal(now.begin(), now.end(), first.begin(), first.end()), "other bits than under seed 1");
  });
}

template void check_case<float>(const Case &, const Plans &, int);
template void check_case<bf16>(const Case &, const Plans &, int);

}  // namespace simcse::cuda::tests
