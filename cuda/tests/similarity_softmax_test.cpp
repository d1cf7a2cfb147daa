// The contrastive loss and its gradients against the formula in double, over shapes, options and plans that take every
// path.
#include "../similarity_softmax.hpp"

#include <algorithm>

#include "similarity_reference.hpp"

namespace simcse::cuda::tests {

namespace {

struct Options {
  bool both_directions, same_side, margin, ids;
  bool ties;  // a margin of 0, and vectors that are copies of each other
};
constexpr Options kAllOptions = {true, true, true, true, false};

struct Case {
  int n, m, hidden;
  float temperature;
  float bias;     // on a query's own hard negative, the key n + i
  double common;  // a vector that all share, in lengths of their own parts: gradients cancel
  int offset;     // elements past an aligned address
  Options options = {};
};

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

struct Plans {
  SimilarityPlan forward, backward;
};

template <typename T>
SimilarityShape shape_of(const Case &k) {
  return {sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32, k.hidden, k.n, k.m, k.options.both_directions,
          k.options.same_side, k.options.margin, k.options.ids};
}

template <typename T>
Plans own_plans(const Case &k, bool wgmma = false) {
  return {similarity_forward_plan(shape_of<T>(k), wgmma), similarity_backward_plan(shape_of<T>(k), wgmma)};
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

template <typename T>
void check_options() {
  for (int bits = 1; bits < 16; bits++) {
    const Options options = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, false};
    const Case k = {21, 50, 24, 0.1f, 0.5f, 0, 0, options};
    check_case<T>(k, own_plans<T>(k), 1);
  }
  for (const Case &k : {Case{1, 1, 8, 0.05f, 0, 0, 0, kAllOptions}, Case{1, 3, 40, 1, 0.3f, 0, 0, kAllOptions},
                        Case{67, 67, 33, 0.02f, 0, 1, 1, kAllOptions}}) {
    check_case<T>(k, own_plans<T>(k), 2);
  }
}

SIMCSE_TEST(similarity_options_f32) { check_options<float>(); }
SIMCSE_TEST(similarity_options_bf16) { check_options<bf16>(); }

constexpr int kWhole = -1;

// Panels of one tile or two, so that every sum goes over several. Sums are kept of no keys, of all in scratch memory,
// or of some panels in d_keys.
template <typename T>
void check_panels(const Case &k, int tile, int kept_panels, int seeds) {
  Plans plans = own_plans<T>(k);
  for (SimilarityPlan *plan : {&plans.forward, &plans.backward}) {
    plan->logit_tile = tile;
    plan->gradient_tile = tile;
    plan->columns = static_cast<int>(round_up(k.hidden, tile));
    plan->row_panel = tile;
    plan->column_panel = k.options.same_side || kept_panels > 0 ? tile : 2 * tile;
    plan->tiles_of_range = tile == 64 ? 2 : 1;
    plan->ranges = tile == 64 ? 1 : 2;
    plan->splits = tile == 64 ? 3 : 1;
    plan->kept_in_gradient = kept_panels > 0;
    plan->kept_keys = kept_panels == kWhole ? k.m : kept_panels * plan->column_panel;
  }
  check_case<T>(k, plans, seeds);
}

SIMCSE_TEST(similarity_softmax_in_panels) {
  const Case k = {150, 300, 40, 0.05f, 0.5f, 1, 0};
  check_panels<float>(k, 64, 0, 1);
  check_panels<bf16>(k, 64, kWhole, 1);
  check_panels<bf16>(k, 64, 0, 2);
  check_panels<bf16>(k, 128, kWhole, 1);
  // One panel of queries, several of keys.
  check_panels<bf16>({9, 270, 24, 0.05f, 0, 0, 0}, 64, 0, 1);
}

SIMCSE_TEST(similarity_sums_in_the_memory_of_gradients) {
  check_panels<float>({66, 200, 64, 0.05f, 0, 1, 0}, 64, 2, 1);
  check_panels<bf16>({66, 330, 64, 0.05f, 0, 1, 0}, 64, 2, 1);
  check_panels<bf16>({66, 330, 64, 0.05f, 0, 1, 3}, 64, 2, 2);
  check_panels<bf16>({66, 200, 64, 0.05f, 0, 1, 0, kAllOptions}, 64, 1, 1);
}

SIMCSE_TEST(similarity_options_in_panels) {
  const Case k = {70, 140, 40, 0.05f, 0.5f, 0, 0, kAllOptions};
  check_panels<float>(k, 64, kWhole, 1);
  check_panels<bf16>(k, 64, 0, 2);
  check_panels<bf16>({130, 260, 40, 0.05f, 0.5f, 1, 0, {true, false, false, true, false}}, 64, kWhole, 1);
  check_panels<bf16>({130, 140, 24, 0.05f, 0, 1, 0, {true, true, false, true, false}}, 128, kWhole, 1);
  check_panels<bf16>({9, 140, 24, 0.05f, 0, 0, 0, {true, true, true, false, false}}, 64, 0, 1);
  check_panels<bf16>({70, 100, 24, 0.05f, 0, 0, 0, {false, true, true, false, false}}, 64, 0, 1);
}

// A GPU whose blocks may have the shared memory that wgmma's tiles take.
struct OnHopper {
  OnHopper() { emulator::settings().shared_limit = 227 * 1024; }
  ~OnHopper() { emulator::settings().shared_limit = before; }
  const unsigned before = emulator::settings().shared_limit;
};

SIMCSE_TEST(similarity_softmax_by_wgmma) {
  const OnHopper gpu;
  for (const Case &k : {Case{1, 1, 8, 0.05f, 0, 0, 0}, Case{3, 5, 33, 0.05f, 0, 0, 1},
                        Case{65, 131, 40, 0.05f, 0.3f, 0, 3}, Case{140, 300, 200, 0.01f, 0.5f, 1, 0}}) {
    check_case<bf16>(k, own_plans<bf16>(k, true), k.n < 64 ? 2 : 1);
  }
  const Case queue = {3, 1100, 16, 0.05f, 0, 0, 0};  // few queries: the sum over keys is divided
  CHECK(own_plans<bf16>(queue, true).backward.splits == 5, "splits");
  check_case<bf16>(queue, own_plans<bf16>(queue, true), 1);
}

SIMCSE_TEST(similarity_options_by_wgmma) {
  const OnHopper gpu;
  for (int bits = 1; bits < 16; bits++) {
    const Options options = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, false};
    const Case k = {21, 50, 24, 0.1f, 0.5f, 0, 0, options};
    check_case<bf16>(k, own_plans<bf16>(k, true), bits == 15 ? 3 : 1);
  }
}

// Panels of 256: several of queries and keys, and sums of keys in scratch memory, in d_keys or in a sweep of their own.
void check_wgmma_panels(const Case &k, int kept_panels, int seeds) {
  Plans plans = own_plans<bf16>(k, true);
  for (SimilarityPlan *plan : {&plans.forward, &plans.backward}) {
    plan->row_panel = plan->column_panel = 256;
    plan->tiles_of_range = plan->ranges = 1;
    plan->splits = 2;
    plan->kept_in_gradient = kept_panels > 0;
    plan->kept_keys = kept_panels == kWhole ? k.m : kept_panels * 256;
  }
  check_case<bf16>(k, plans, seeds);
}

SIMCSE_TEST(similarity_in_panels_by_wgmma) {
  const OnHopper gpu;
  check_wgmma_panels({270, 520, 40, 0.05f, 0.5f, 1, 0}, kWhole, 2);
  check_wgmma_panels({270, 520, 128, 0.05f, 0.5f, 1, 0}, 0, 1);
  check_wgmma_panels({257, 780, 128, 0.05f, 0, 1, 0}, 1, 1);
  check_wgmma_panels({260, 300, 24, 0.05f, 0.5f, 0, 0, kAllOptions}, kWhole, 1);
  check_wgmma_panels({260, 300, 48, 0.05f, 0, 0, 0, {true, true, true, false, true}}, kWhole, 1);
}

// Two queries and three keys, whose lse a test foretells.
template <typename T>
struct Small {
  explicit Small(int width, const simcse_contrast &options)
      : hidden(width), queries(2 * width), keys(3 * width), targets(2), lse(2), contrast(options) {
    Random random(7);
    queries.fill(random);
    keys.fill(random);
    targets[0] = 0;
    targets[1] = 1;
  }
  void run() {
    const simcse_similarity_softmax_forward args = {
        sizeof args, sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32, hidden, 2, 3, queries.data(), keys.data(),
        targets.data(), contrast, loss.data(), lse.data(), query_norm.data(), key_norm.data(), nullptr};
    Array<float> scratch(similarity_softmax_forward_scratch(similarity_shape(args)) / 4);
    RUN(similarity_softmax_forward({nullptr, scratch.data()}, args));
  }
  int hidden;
  Array<T> queries, keys;
  Array<int32_t> targets;
  Array<float> lse;
  Array<float> loss = Array<float>(1), query_norm = Array<float>(2), key_norm = Array<float>(3);
  simcse_contrast contrast;
};

simcse_contrast with_margin(float margin) {
  simcse_contrast contrast = {};
  contrast.temperature = 0.05f;
  contrast.has_margin = 1;
  contrast.false_negative_margin = margin;
  return contrast;
}

SIMCSE_TEST(similarity_softmax_keeps_what_is_not_a_number) {
  simcse_contrast plain = {};
  plain.temperature = 0.05f;
  for (const simcse_contrast &contrast : {plain, with_margin(0.25f)}) {
    Small<float> of_query(4, contrast), of_key(4, contrast);
    of_query.queries[1] = NAN;
    of_query.run();
    CHECK(std::isnan(of_query.loss[0]) && std::isnan(of_query.lse[0]) && !std::isnan(of_query.lse[1]), "query");
    of_key.keys[9] = NAN;
    of_key.run();
    CHECK(std::isnan(of_key.loss[0]) && std::isnan(of_key.lse[0]) && std::isnan(of_key.lse[1]), "key of nobody");
  }
}

// What equals an anchor's positive is not above it, on whichever side and in whichever panel it is.
template <typename T>
void check_ties() {
  const Case k = {66, 70, 24, 0.05f, 0, 0, 0, {true, true, true, false, true}};
  check_panels<T>(k, 64, kWhole, 1);
}

SIMCSE_TEST(similarity_margin_keeps_ties) {
  check_ties<float>();
  check_ties<bf16>();
}

}  // namespace

}  // namespace simcse::cuda::tests
