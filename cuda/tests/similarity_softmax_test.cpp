// The contrastive loss and its gradients over shapes, options and plans that take every path.
#include "similarity_cases.hpp"

namespace simcse::cuda::tests {

namespace {

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
