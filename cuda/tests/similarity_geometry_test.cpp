// Plans of similarity_softmax, from one query to two million: within the limits of grids and of 32 bits, and with no
// more memory than a tenth of vectors, gradients and log-sum-exps.
#include "../similarity_softmax.hpp"
#include "check.hpp"

namespace simcse::cuda::tests {

namespace {

constexpr int64_t kMost32 = 0x7fffffff;

// Bits of the options: both directions, same-side negatives, margin, ids.
SimilarityShape shape_of(simcse_dtype dtype, int hidden, int64_t n, int64_t m, int bits) {
  return {dtype, hidden, n, m, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
}

void check_forward(const SimilarityShape &shape, const SimilarityPlan &plan) {
  const int64_t rows = plan.row_panel / plan.logit_tile, columns = plan.column_panel / plan.logit_columns;
  CHECK(static_cast<int64_t>(plan.tiles_of_range) * plan.ranges >= columns, "ranges");
  CHECK(static_cast<int64_t>(plan.tiles_of_range) * (plan.ranges - 1) < columns, "an empty range");
  CHECK(plan.ranges <= 65535, "%d ranges", plan.ranges);
  CHECK(rows * columns <= kMost32, "tiles");
  CHECK(similarity_forward_bytes(plan, shape) > 0, "bytes");
}

void check_backward(const SimilarityShape &shape, const SimilarityPlan &plan) {
  CHECK(plan.column_panel / plan.logit_tile <= 65535, "grid of G");
  CHECK(static_cast<int64_t>(plan.row_panel) * plan.column_panel <= kMost32, "G");
  const int64_t across = plan.columns / plan.gradient_columns;
  const int64_t tiles = (static_cast<int64_t>(plan.splits) * plan.row_panel + plan.column_panel) / plan.gradient_tile;
  CHECK(tiles * across <= kMost32, "grid of sums");
  CHECK(plan.splits >= 1 && plan.splits <= 16, "%d splits", plan.splits);
  CHECK(plan.kept_keys <= shape.keys, "kept keys");
  CHECK(plan.kept_keys == shape.keys || plan.kept_keys % plan.column_panel == 0, "kept panels");
  if (plan.kept_in_gradient) {
    const int64_t gradient = shape.hidden * shape.element(), sum = static_cast<int64_t>(plan.columns) * 4;
    const int64_t panel = plan.column_panel;
    CHECK(panel * gradient + kSumAlignment + plan.kept_keys * sum <= shape.keys * gradient,
          "sums of %lld keys in d_keys", static_cast<long long>(plan.kept_keys));
    for (int64_t j0 = 0; j0 < plan.kept_keys; j0 += panel) {
      CHECK((j0 + panel) * gradient <= panel * gradient + j0 * sum, "gradients from %lld on reach into their sums",
            static_cast<long long>(j0));
    }
  }
  CHECK(similarity_backward_bytes(plan, shape) > 0, "bytes");
}

void check_plan(const SimilarityShape &shape, const SimilarityPlan &plan) {
  CHECK(plan.columns >= shape.hidden && plan.columns % 64 == 0, "columns");
  CHECK(!plan.wgmma || (plan.logit_tile == 128 && plan.logit_columns == 256 && plan.gradient_tile == 128), "tiles");
  for (const int tile : {plan.logit_tile, plan.logit_columns, plan.gradient_tile}) {
    CHECK(plan.row_panel % tile == 0 && plan.column_panel % tile == 0, "panels of %d and %d", plan.row_panel,
          plan.column_panel);
  }
  CHECK(!shape.same_side || plan.row_panel == plan.column_panel, "a side against itself is cut alike");
  CHECK(static_cast<int64_t>(plan.row_panel) * plan.columns <= kMost32, "a panel's copy");
}

SIMCSE_TEST(similarity_plans_fit) {
  for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
    for (const int hidden : {1, 64, 312, 384, 768, 1024, 4096}) {
      for (int64_t n = 1; n <= 1 << 21; n = n * 3 + 1) {
        for (const int64_t m : {n, 2 * n, n + 65536}) {
          for (const int bits : {0, 1, 2, 15}) {
            const SimilarityShape shape = shape_of(dtype, hidden, n, m, bits);
            for (const bool wgmma : {false, dtype == SIMCSE_BF16}) {
              const SimilarityPlan forward = similarity_forward_plan(shape, wgmma);
              const SimilarityPlan backward = similarity_backward_plan(shape, wgmma);
              check_plan(shape, forward);
              check_plan(shape, backward);
              check_forward(shape, forward);
              check_backward(shape, backward);
              CHECK(backward.columns % backward.gradient_columns == 0, "tiles of gradients");
            }
          }
        }
      }
    }
  }
}

// All that a call needs beside queries, keys, gradients and lse: scratch memory, lengths, the keys' log-sum-exps.
int64_t more_than_vectors(const SimilarityShape &shape, bool wgmma) {
  const int64_t forward = similarity_forward_bytes(similarity_forward_plan(shape, wgmma), shape);
  const int64_t backward = similarity_backward_bytes(similarity_backward_plan(shape, wgmma), shape);
  const int64_t statistics = (shape.queries + shape.keys + (shape.both_directions ? shape.keys : 0)) * 4;
  return (forward > backward ? forward : backward) + statistics;
}

SIMCSE_TEST(similarity_memory_is_a_tenth_of_the_vectors) {
  for (const simcse_dtype dtype : {SIMCSE_F32, SIMCSE_BF16}) {
    for (const int64_t n : {65536, 1 << 20}) {
      for (int bits = 0; bits < 16; bits++) {
        const SimilarityShape shape = shape_of(dtype, 768, n, n, bits);
        const int64_t vectors = 4 * n * 768 * shape.element() + n * 4;
        for (const bool wgmma : {false, dtype == SIMCSE_BF16}) {
          const int64_t more = more_than_vectors(shape, wgmma);
          CHECK(10 * more <= vectors, "%lld bytes beside %lld, options %d", static_cast<long long>(more),
                static_cast<long long>(vectors), bits);
        }
      }
    }
  }
  const SimilarityPlan plan = similarity_backward_plan(shape_of(SIMCSE_BF16, 768, 65536, 65536, 0));
  CHECK(plan.kept_in_gradient && plan.kept_keys > 65536 * 4 / 10 && plan.kept_keys < 65536 / 2, "%lld kept",
        static_cast<long long>(plan.kept_keys));
  // The first training step of BERT-base at batch 64 asks for little.
  const int64_t small = similarity_softmax_backward_scratch(shape_of(SIMCSE_BF16, 768, 64, 64, 0));
  CHECK(small < 1 << 20, "%lld bytes", static_cast<long long>(small));
}

SIMCSE_TEST(similarity_wgmma_is_for_large_bf16) {
  CHECK(similarity_fits_wgmma(shape_of(SIMCSE_BF16, 768, 65536, 65536, 0)), "large");
  CHECK(similarity_fits_wgmma(shape_of(SIMCSE_BF16, 768, 512, 65536, 15)), "a queue of keys");
  CHECK(!similarity_fits_wgmma(shape_of(SIMCSE_BF16, 768, 512, 512, 0)), "small");
  CHECK(!similarity_fits_wgmma(shape_of(SIMCSE_F32, 768, 65536, 65536, 0)), "f32");
  const int widths[][2] = {{768, 256}, {1024, 256}, {384, 128}, {312, 128}, {64, 128}, {4096, 256}};
  for (const auto &width : widths) {
    const SimilarityPlan plan = similarity_backward_plan(shape_of(SIMCSE_BF16, width[0], 65536, 65536, 0), true);
    CHECK(plan.gradient_columns == width[1], "tiles of %d columns for %d", plan.gradient_columns, width[0]);
  }
}

// What lies far apart stays far apart.
SIMCSE_TEST(similarity_offsets_beyond_32_bits) {
  const SimilarityShape shape = shape_of(SIMCSE_BF16, 768, 1 << 22, 1 << 22, 15);
  const SimilarityPlan plan = similarity_backward_plan(shape);
  CHECK(plan.kept_keys * plan.columns * 4 > kMost32, "sums are %lld bytes",
        static_cast<long long>(plan.kept_keys * plan.columns * 4));
  CHECK(diagonal(-70) == -70 && diagonal(0) == 0 && diagonal(1 << 23) == 1 << 23, "diagonals");
  for (const int64_t far : {int64_t{1} << 25, int64_t{1} << 32, (int64_t{1} << 32) + 5, int64_t{1} << 62}) {
    CHECK(diagonal(far) == kNoDiagonal && diagonal(-far) == kNoDiagonal, "a diagonal %lld away",
          static_cast<long long>(far));
  }
  const int64_t last = (shape.queries - 1) / plan.row_panel * plan.row_panel;
  CHECK(panel_count(shape.queries, last, plan.row_panel) == shape.queries - last, "the last panel");
  CHECK(panel_count(int64_t{1} << 40, 5, plan.row_panel) == plan.row_panel, "a panel");
}

}  // namespace

}  // namespace simcse::cuda::tests
