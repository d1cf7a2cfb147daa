// How a call of similarity_softmax is divided into panels, tiles and ranges.
#include <stdlib.h>

#include "simt_sm90.hpp"
#include "similarity_kernels.hpp"
#include "similarity_softmax.hpp"

namespace simcse::cuda {

namespace {

// Panels of the forward pass cost copies, 2 * 8192 * H numbers, and 8192 vectors of the other side hide their price of
// reading and copying. In f32, whose products are slow, a tile has more parts of column sums to keep.
constexpr int kForwardPanel = 8192;
constexpr int kForwardPanelF32 = 4096;
// Those of the backward pass have G too: 16 MB in f16, which stays in the L2 of large GPUs. At H = 768, 2 * 22 * 6
// tiles of gradients are two for each of the 132 multiprocessors of an H200, and scratch memory is 33 MB.
constexpr int kBackwardPanel = 22 * 128;
// Blocks of threads that are to be there at least, where the shapes allow it: two for each multiprocessor of a large
// GPU.
constexpr int64_t kBlocks = 256;
// Those of the forward pass, at most: some turns of all multiprocessors, so that the last turn costs little.
constexpr int64_t kMostBlocks = 1024;

int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Large tiles use each copied number more often, small ones make more blocks of threads.
int tile_of(simcse_dtype dtype, int64_t rows, int64_t columns) {
  return dtype == SIMCSE_BF16 && ceil_divide(rows, 128) * ceil_divide(columns, 128) >= kBlocks ? 128 : 64;
}

// Rows and columns of the largest block. Of one side against itself, rows and columns are cut alike.
struct Extents {
  int64_t rows, columns;
};
Extents extents(const SimilarityShape &shape, int panel) {
  Extents most = {smaller(shape.queries, panel), smaller(shape.keys, panel)};
  if (shape.same_side) most.rows = most.columns = larger(most.rows, most.columns);
  return most;
}

// By wgmma a block of threads is alone on its multiprocessor; half of them make sums of rows, the others of columns.
constexpr int64_t kWgmmaBlocks = 132;

// Tiles, and columns of the copies: whole stages of 64, or whole tiles of gradients.
void divide_forward(SimilarityPlan &plan, const SimilarityShape &shape, const Extents &most) {
  plan.logit_tile = plan.wgmma ? 128 : tile_of(shape.dtype, most.rows, most.columns);
  plan.logit_columns = plan.wgmma ? kWgmmaLogitColumns : plan.logit_tile;
  plan.gradient_tile = plan.gradient_columns = plan.wgmma ? 128 : 64;
  plan.columns = (int)round_up(shape.hidden, 64);
}
void divide_backward(SimilarityPlan &plan, const SimilarityShape &shape, const Extents &most) {
  divide_forward(plan, shape, most);
  if (plan.wgmma) {
    // Wide tiles use each copied number more often, but are not worth a filled up half.
    plan.gradient_columns = round_up(shape.hidden, 256) == round_up(shape.hidden, 128) ? 256 : 128;
  } else {
    plan.gradient_tile = plan.gradient_columns = tile_of(shape.dtype, most.rows + most.columns, shape.hidden);
  }
  plan.columns = (int)round_up(shape.hidden, plan.gradient_columns);
}
void divide_panels(SimilarityPlan &plan, const Extents &most) {
  const int64_t tile = larger(larger(plan.logit_tile, plan.logit_columns), plan.gradient_tile);
  plan.row_panel = (int)round_up(most.rows, tile);
  plan.column_panel = (int)round_up(most.columns, tile);
}

// As many whole panels of keys as have f32 sums that fit in d_keys, but for its first panel.
int64_t keys_kept_in_gradient(const SimilarityShape &shape, const SimilarityPlan &plan) {
  const int64_t bytes = (shape.keys - plan.column_panel) * shape.hidden * shape.element() - kSumAlignment;
  return larger(0, bytes / ((int64_t)plan.columns * 4) / plan.column_panel * plan.column_panel);
}

}  // namespace

bool similarity_has_wgmma() { return has_sm90a(); }

bool similarity_fits_wgmma(const SimilarityShape &shape) {
  return shape.dtype == SIMCSE_BF16 &&
         ceil_divide(shape.queries, 128) * ceil_divide(shape.keys, kWgmmaLogitColumns) >= kWgmmaBlocks;
}

SimilarityChoice similarity_choice() {
  static const SimilarityChoice choice = [] {
    const char *const text = getenv("SIMCSE_CUDA_SIMILARITY");
    if (text == nullptr || *text == 0 || strcmp(text, "mma") == 0) return SimilarityChoice::mma;
    return strcmp(text, "wgmma") == 0 ? SimilarityChoice::wgmma : SimilarityChoice::unknown;
  }();
  return choice;
}

bool similarity_by_wgmma(const SimilarityShape &shape) {
  return similarity_choice() == SimilarityChoice::wgmma && similarity_fits_wgmma(shape) && has_sm90a();
}

SimilarityPlan similarity_forward_plan(const SimilarityShape &shape, bool wgmma) {
  SimilarityPlan plan = {};
  plan.wgmma = wgmma;
  const Extents most = extents(shape, shape.dtype == SIMCSE_BF16 ? kForwardPanel : kForwardPanelF32);
  divide_forward(plan, shape, most);
  divide_panels(plan, most);
  const int64_t rows = plan.row_panel / plan.logit_tile;
  const int64_t columns = plan.column_panel / plan.logit_columns;
  plan.tiles_of_range = (int)larger(1, rows * columns / kMostBlocks);
  plan.ranges = (int)ceil_divide(columns, plan.tiles_of_range);
  plan.splits = 1;
  return plan;
}

SimilarityPlan similarity_backward_plan(const SimilarityShape &shape, bool wgmma) {
  SimilarityPlan plan = {};
  plan.wgmma = wgmma;
  const Extents most = extents(shape, kBackwardPanel);
  divide_backward(plan, shape, most);
  divide_panels(plan, most);
  plan.tiles_of_range = 1;
  plan.ranges = 1;
  // Few queries over many keys: few tiles of d_queries, each of a long sum.
  const int64_t tiles = plan.row_panel / plan.gradient_tile * (plan.columns / plan.gradient_columns);
  plan.splits = (int)larger(1, smaller((wgmma ? kWgmmaBlocks / 2 : kBlocks) / tiles, plan.column_panel / 256));
  if (shape.one_sweep(plan.row_panel)) return plan;
  plan.kept_in_gradient = shape.keys * plan.columns * 4 > kKeptBytes;
  plan.kept_keys = plan.kept_in_gradient ? keys_kept_in_gradient(shape, plan) : shape.keys;
  return plan;
}

}  // namespace simcse::cuda
