// The contrastive loss and its gradients against the formula in double with all N x M logits at hand, over shapes and
// plans that take every path.
#include "../similarity_softmax.hpp"

#include <algorithm>

#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

using Doubles = std::vector<double>;

struct Case {
  int n, m, hidden;
  float temperature;
  float bias;     // on a query's own hard negative, the key n + i
  double common;  // a vector that all share, in lengths of their own parts: gradients cancel
  int offset;     // elements past an aligned address
};

struct Reference {
  Doubles query_norm, key_norm, lse, d_queries, d_keys;
  double loss = 0;
};

Doubles lengths(const Doubles &x, int rows, int hidden) {
  Doubles all;
  for (int i = 0; i < rows; i++) {
    double squares = 0;
    for (int c = 0; c < hidden; c++) squares += std::pow(x[static_cast<std::size_t>(i * hidden + c)], 2);
    all.push_back(std::sqrt(squares));
  }
  return all;
}

Doubles units(Doubles x, const Doubles &norms, int hidden) {
  for (std::size_t i = 0; i < x.size(); i++) {
    const double norm = norms[i / static_cast<std::size_t>(hidden)];
    x[i] = norm == 0 ? 0 : x[i] / norm;
  }
  return x;
}

Doubles through_normalisation(const Doubles &d_unit, const Doubles &unit, const Doubles &norms, int hidden) {
  Doubles gradient(d_unit.size(), 0.0);
  for (std::size_t i = 0; i < norms.size(); i++) {
    double along = 0;
    const std::size_t first = i * static_cast<std::size_t>(hidden), end = first + static_cast<std::size_t>(hidden);
    for (std::size_t c = first; c < end; c++) along += unit[c] * d_unit[c];
    for (std::size_t c = first; c < end && norms[i] != 0; c++) gradient[c] = (d_unit[c] - unit[c] * along) / norms[i];
  }
  return gradient;
}

Reference reference(const Case &k, const Doubles &queries, const Doubles &keys, const Array<int32_t> &targets,
                    double loss_scale) {
  Reference r;
  r.query_norm = lengths(queries, k.n, k.hidden);
  r.key_norm = lengths(keys, k.m, k.hidden);
  const Doubles u = units(queries, r.query_norm, k.hidden), v = units(keys, r.key_norm, k.hidden);
  Doubles du(u.size(), 0.0), dv(v.size(), 0.0);
  const auto hidden = static_cast<std::size_t>(k.hidden);
  for (std::size_t i = 0; i < static_cast<std::size_t>(k.n); i++) {
    Doubles s(static_cast<std::size_t>(k.m));
    double most = -1e300, sum = 0;
    for (std::size_t j = 0; j < s.size(); j++) {
      double cosine = 0;
      for (std::size_t c = 0; c < hidden; c++) cosine += u[i * hidden + c] * v[j * hidden + c];
      s[j] = cosine / static_cast<double>(k.temperature);
      if (j == static_cast<std::size_t>(k.n) + i) s[j] += static_cast<double>(k.bias);
      most = std::max(most, s[j]);
    }
    for (const double each : s) sum += std::exp(each - most);
    const auto target = static_cast<std::size_t>(targets[static_cast<int64_t>(i)]);
    r.lse.push_back(most + std::log(sum));
    r.loss += (r.lse.back() - s[target]) / k.n;
    for (std::size_t j = 0; j < s.size(); j++) {
      const double d = (std::exp(s[j] - r.lse.back()) - (j == target ? 1 : 0)) * loss_scale / k.n /
                       static_cast<double>(k.temperature);
      for (std::size_t c = 0; c < hidden; c++) {
        du[i * hidden + c] += d * v[j * hidden + c];
        dv[j * hidden + c] += d * u[i * hidden + c];
      }
    }
  }
  r.d_queries = through_normalisation(du, u, r.query_norm, k.hidden);
  r.d_keys = through_normalisation(dv, v, r.key_norm, k.hidden);
  return r;
}

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

// Keys start as their queries, somewhat changed, so that the loss is small as in training.
template <typename T>
struct Vectors {
  Vectors(const Case &k, Random &random)
      : queries(static_cast<int64_t>(k.n) * k.hidden, k.offset),
        keys(static_cast<int64_t>(k.m) * k.hidden, k.offset),
        targets(k.n) {
    fill(queries, k.hidden, k.common, random);
    fill(keys, k.hidden, k.common, random);
    for (int i = 0; i < k.n; i++) {
      targets[i] = i % 3 == 0 ? i : random.between(0, k.m - 1);
      if (i % 3 != 0) continue;
      for (int64_t c = static_cast<int64_t>(i) * k.hidden; c < static_cast<int64_t>(i + 1) * k.hidden; c++) {
        keys[c] = from_float<T>(to_float(queries[c]) + 0.3f * to_float(keys[c]));
      }
    }
    if (k.n > 2) scale_row(queries, k.hidden, 1, 0);
    if (k.m > 4) scale_row(keys, k.hidden, k.m - 2, 0);
    if (k.n > 8) {  // lengths whose squares are no floats
      scale_row(queries, k.hidden, 5, 1e-30f);
      scale_row(queries, k.hidden, 6, 1e30f);
      scale_row(keys, k.hidden, 7, 1e25f);
      scale_row(keys, k.hidden, 8, 1e-35f);
    }
  }
  Array<T> queries, keys;
  Array<int32_t> targets;
};

// Rows of unequal lengths: each compared by itself, as its gradient goes with the inverse length.
Doubles times_lengths(Doubles x, const Doubles &norms, int hidden) {
  for (std::size_t i = 0; i < x.size(); i++) x[i] *= norms[i / static_cast<std::size_t>(hidden)];
  return x;
}

template <typename T>
void check_gradient(const char *what, const Case &k, const Array<T> &out, const Doubles &expected,
                    const Doubles &norms) {
  const int hidden = k.hidden;
  const Doubles exact = times_lengths(expected, norms, hidden);
  const Error error = error_of(times_lengths(out.values(), norms, hidden), exact);
  const Error naive = error_of(times_lengths(rounded<T>(expected), norms, hidden), exact);
  const double limit = sizeof(T) == 2 ? 2 * naive.norm : 1e-5;
  CHECK(error.norm <= limit, "%s of %d and %d, width %d: error %g (largest %g), above %g", what, k.n, k.m, hidden,
        error.norm, error.largest, limit);
}

struct Plans {
  SimilarityPlan forward, backward;
};

template <typename T>
Plans own_plans(const Case &k) {
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  return {similarity_forward_plan(dtype, k.hidden, k.n, k.m), similarity_backward_plan(dtype, k.hidden, k.n, k.m)};
}

template <typename T>
void check_case(const Case &k, const Plans &plans, int seeds) {
  const simcse_dtype dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
  Random random(static_cast<uint64_t>(k.n * 31 + k.m * 7 + k.hidden));
  const Vectors<T> in(k, random);
  const simcse_contrast contrast = {k.temperature, k.bias, k.n};
  const float loss_scale = 0.75f;
  const Reference expected =
      reference(k, in.queries.values(), in.keys.values(), in.targets, static_cast<double>(loss_scale));
  Doubles first;
  each_seed(seeds, [&](int seed) {
    Array<float> loss(1), lse(k.n), query_norm(k.n), key_norm(k.m);
    Array<T> d_queries(in.queries.count(), k.offset), d_keys(in.keys.count(), k.offset);
    Array<float> scratch(std::max(similarity_forward_bytes(plans.forward, dtype, k.n),
                                  similarity_backward_bytes(plans.backward, dtype, k.m)) / 4);
    const Queue queue = {nullptr, scratch.data()};
    const simcse_similarity_softmax_forward forward = {
        sizeof forward, dtype, k.hidden, k.n, k.m, in.queries.data(), in.keys.data(), in.targets.data(),
        contrast, loss.data(), lse.data(), query_norm.data(), key_norm.data()};
    RUN(similarity_softmax_forward(queue, forward, plans.forward));
    check_near("query_norm", query_norm, expected.query_norm, {});
    check_near("key_norm", key_norm, expected.key_norm, {});
    for (int i = 0; i < k.n; i++) {
      const double difference = std::fabs(lse[i] - expected.lse[static_cast<std::size_t>(i)]);
      CHECK(difference <= 1e-5 / static_cast<double>(k.temperature) / 4, "lse of %d is off by %g", i, difference);
    }
    CHECK(std::fabs(loss[0] - expected.loss) <= 2e-6 * (1 + expected.loss), "loss %g, not %g",
          static_cast<double>(loss[0]), expected.loss);
    const simcse_similarity_softmax_backward backward = {
        sizeof backward, dtype, k.hidden, k.n, k.m, in.queries.data(), in.keys.data(), in.targets.data(),
        contrast, lse.data(), query_norm.data(), key_norm.data(), loss_scale, 0, d_queries.data(), d_keys.data()};
    RUN(similarity_softmax_backward(queue, backward, plans.backward));
    if (k.hidden > 1 && k.m > 1) {  // else there is no direction, or nothing to tell apart
      check_gradient("d_queries", k, d_queries, expected.d_queries, expected.query_norm);
      check_gradient("d_keys", k, d_keys, expected.d_keys, expected.key_norm);
    }
    Doubles now = lse.values();
    now.push_back(static_cast<double>(loss[0]));
    for (const auto &more : {d_queries.values(), d_keys.values()}) now.insert(now.end(), more.begin(), more.end());
    if (seed == 1) first = now;
    CHECK(std::equal(now.begin(), now.end(), first.begin(), first.end()), "other bits than under seed 1");
  });
}

template <typename T>
void check_shapes() {
  for (const Case &k : {Case{1, 1, 1, 0.05f, 0, 0, 0}, Case{1, 1, 8, 0.05f, 0, 0, 0}, Case{2, 2, 31, 0.1f, 0, 0, 0},
                        Case{3, 5, 33, 0.05f, 0, 0, 1}, Case{31, 62, 32, 0.05f, 0.7f, 0, 0},
                        Case{33, 66, 96, 0.05f, -1.5f, 2, 0}, Case{64, 64, 64, 0.05f, 0, 2, 0},
                        Case{65, 131, 40, 0.05f, 0.3f, 0, 3}, Case{70, 70, 136, 0.01f, 0, 1, 0}}) {
    check_case<T>(k, own_plans<T>(k), k.n < 64 ? 2 : 1);
  }
  const Case wide = {40, 40, 776, 0.01f, 0, 1, 0};
  check_case<T>(wide, own_plans<T>(wide), 1);
  const Case queue = {3, 1000, 16, 0.05f, 0, 0, 0};  // few queries: the sum over keys is divided
  CHECK(own_plans<T>(queue).backward.splits == 4, "%d splits", own_plans<T>(queue).backward.splits);
  check_case<T>(queue, own_plans<T>(queue), 2);
}

SIMCSE_TEST(similarity_softmax_f32) { check_shapes<float>(); }
SIMCSE_TEST(similarity_softmax_bf16) { check_shapes<bf16>(); }

// Panels of one tile or two, so that every sum goes over several.
template <typename T>
void check_panels(const Case &k, int tile, bool whole_keys, int seeds) {
  Plans plans = own_plans<T>(k);
  for (SimilarityPlan *plan : {&plans.forward, &plans.backward}) {
    plan->logit_tile = tile;
    plan->gradient_tile = tile;
    plan->columns = static_cast<int>(round_up(k.hidden, tile));
    plan->query_panel = tile;
    plan->key_panel = 2 * tile;
    plan->tiles_of_range = tile == 64 ? 2 : 1;
    plan->ranges = tile == 64 ? 1 : 2;
    plan->splits = tile == 64 ? 3 : 1;
    plan->whole_keys = whole_keys;
  }
  check_case<T>(k, plans, seeds);
}

SIMCSE_TEST(similarity_softmax_in_panels) {
  const Case k = {150, 300, 40, 0.05f, 0.5f, 1, 0};
  check_panels<float>(k, 64, false, 1);
  check_panels<bf16>(k, 64, true, 1);
  check_panels<bf16>(k, 64, false, 2);
  check_panels<bf16>(k, 128, true, 1);
  // One panel of queries, several of keys.
  for (const bool whole_keys : {true, false}) check_panels<bf16>({9, 270, 24, 0.05f, 0, 0, 0}, 64, whole_keys, 1);
}

SIMCSE_TEST(similarity_softmax_keeps_what_is_not_a_number) {
  Array<float> queries(8), keys(8), loss(1), lse(2), query_norm(2), key_norm(2), scratch(1 << 18);
  Array<int32_t> targets(2);
  for (int i = 0; i < 8; i++) queries[i] = keys[i] = static_cast<float>(i);
  queries[1] = NAN;
  targets[0] = 0;
  targets[1] = 1;
  const simcse_similarity_softmax_forward args = {
      sizeof args, SIMCSE_F32, 4, 2, 2, queries.data(), keys.data(), targets.data(), {0.05f, 0, 0},
      loss.data(), lse.data(), query_norm.data(), key_norm.data()};
  CHECK(similarity_softmax_forward_scratch(SIMCSE_F32, 4, 2, 2) <= 4 << 18, "scratch");
  RUN(similarity_softmax_forward({nullptr, scratch.data()}, args));
  CHECK(loss[0] != loss[0] && lse[0] != lse[0] && lse[1] == lse[1], "loss %g", static_cast<double>(loss[0]));
}

SIMCSE_TEST(similarity_plans_fit) {
  for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
    for (const int hidden : {1, 64, 312, 384, 768, 1024, 4096}) {
      for (int64_t n = 1; n <= 1 << 20; n = n * 3 + 1) {
        for (const int64_t m : {n, 2 * n, n + 65536}) {
          for (const SimilarityPlan &plan :
               {similarity_forward_plan(dtype, hidden, n, m), similarity_backward_plan(dtype, hidden, n, m)}) {
            CHECK(plan.columns >= hidden && plan.columns % plan.gradient_tile == 0, "columns");
            CHECK(plan.query_panel % plan.logit_tile == 0 && plan.query_panel % plan.gradient_tile == 0, "queries");
            CHECK(plan.key_panel % plan.logit_tile == 0 && plan.key_panel % plan.gradient_tile == 0, "keys");
            CHECK(plan.splits >= 1 && plan.splits <= 16, "%d splits", plan.splits);
          }
          const SimilarityPlan forward = similarity_forward_plan(dtype, hidden, n, m);
          CHECK(forward.tiles_of_range * forward.ranges * forward.logit_tile >= forward.key_panel, "ranges");
          CHECK(forward.ranges <= 65535, "%d ranges", forward.ranges);
        }
      }
    }
  }
  // Far from N x M, and the first training step of BERT-base at batch 64 asks for little.
  const int64_t large = similarity_softmax_backward_scratch(SIMCSE_BF16, 768, 1 << 20, 1 << 20);
  CHECK(large < 200 << 20, "%lld bytes", static_cast<long long>(large));
  const int64_t small = similarity_softmax_backward_scratch(SIMCSE_BF16, 768, 64, 64);
  CHECK(small < 1 << 20, "%lld bytes", static_cast<long long>(small));
  CHECK(similarity_softmax_forward_scratch(SIMCSE_BF16, 768, 1 << 20, 1 << 20) < 64 << 20, "forward");
}

}  // namespace

}  // namespace simcse::cuda::tests
