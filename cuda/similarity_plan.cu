// How a call of similarity_softmax is divided into panels, tiles and ranges.
#include "similarity_softmax.hpp"

namespace simcse::cuda {

namespace {

// Panels of the forward pass cost copies, 2 * 8192 * H numbers, and 8192 vectors of the other side hide their price of
// reading and copying. Those of the backward pass have G too: 32 MB in f16, which stays in the L2 of large GPUs.
constexpr int kForwardPanel = 8192;
constexpr int kBackwardPanel = 4096;
// Blocks that are to be there at least, where the shapes allow it: two for each multiprocessor of a large GPU.
constexpr int64_t kBlocks = 256;
// Blocks of the forward pass, at most: some turns of all multiprocessors, so that the last turn costs little.
constexpr int64_t kMostBlocks = 1024;

int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Large tiles use each copied number more often, small ones make more blocks.
int tile_of(simcse_dtype dtype, int64_t rows, int64_t columns) {
  return dtype == SIMCSE_BF16 && ceil_divide(rows, 128) * ceil_divide(columns, 128) >= kBlocks ? 128 : 64;
}

}  // namespace

SimilarityPlan similarity_forward_plan(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys) {
  SimilarityPlan plan = {};
  plan.logit_tile = tile_of(dtype, queries, keys);
  plan.gradient_tile = 64;
  plan.columns = (int)round_up(hidden, 64);
  plan.query_panel = (int)smaller(round_up(queries, plan.logit_tile), kForwardPanel);
  plan.key_panel = (int)smaller(round_up(keys, plan.logit_tile), kForwardPanel);
  const int64_t rows = plan.query_panel / plan.logit_tile;
  const int64_t columns = plan.key_panel / plan.logit_tile;
  plan.tiles_of_range = (int)larger(1, rows * columns / kMostBlocks);
  plan.ranges = (int)ceil_divide(columns, plan.tiles_of_range);
  plan.splits = 1;
  plan.whole_keys = true;
  return plan;
}

SimilarityPlan similarity_backward_plan(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys) {
  SimilarityPlan plan = {};
  const int64_t rows = smaller(queries, kBackwardPanel);
  const int64_t columns = smaller(keys, kBackwardPanel);
  plan.logit_tile = tile_of(dtype, rows, columns);
  plan.gradient_tile = tile_of(dtype, rows + columns, hidden);
  plan.columns = (int)round_up(hidden, larger(64, plan.gradient_tile));
  const int64_t tile = larger(plan.logit_tile, plan.gradient_tile);
  plan.query_panel = (int)round_up(rows, tile);
  plan.key_panel = (int)round_up(columns, tile);
  plan.tiles_of_range = 1;
  plan.ranges = 1;
  // Few queries over many keys: few tiles of d_queries, each of a long sum.
  const int64_t tiles = plan.query_panel / plan.gradient_tile * (plan.columns / plan.gradient_tile);
  plan.splits = (int)larger(1, smaller(kBlocks / tiles, plan.key_panel / 256));
  plan.whole_keys = queries > kBackwardPanel && keys * plan.columns * 4 <= kWholeKeysBytes;
  return plan;
}

}  // namespace simcse::cuda
