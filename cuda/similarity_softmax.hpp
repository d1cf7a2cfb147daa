// similarity_softmax: InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1; both
// directions: Radford et al. 2021; same-side negatives: Chen et al. 2020) of queries (N, H) and keys (M, H), and its
// gradients; see simcse.h.
//
// Vectors are taken in panels. A panel's vectors are first copied to scratch memory, each times a power of two that
// brings its length to 128 .. 256: bf16 becomes f16, without loss but in elements below 2^-22 of the length, where it
// is at most 2^-32 of the length; f32 stays. Rows and columns are filled up with zeros to whole tiles. All products
// then are of such copies, on tensor cores (f16) or by fmaf (f32). A block is a panel of rows against one of columns:
// queries against keys; with same-side negatives queries against queries, in both directions also keys against keys.
//
//   forward    tiles of logits, of which rows, and with both directions columns, keep the largest and the sum of
//              exponentials: 2 N M H FLOP. A block of one side against itself serves rows and columns, so that half of
//              them do: N N H and M M H FLOP
//   backward   for each block G = d loss / d products, then d_rows += G columns and d_columns += G^T rows:
//              6 N M H FLOP. Of one side against itself G is symmetric, and d_rows is all: 4 N N H and 4 M M H FLOP.
//              G is f16, which has 8 times the precision of bf16: gradients are what is left of sums that nearly cancel
//
// Giving each block rows of d_queries to keep, and others rows of d_keys, would make G twice: 8 N M H, and a tile of
// 128 rows of H = 768 does not fit in registers and shared memory anyway. But sums over several panels of queries need
// f32 sums for d_keys, twice the size of bf16 keys. They are kept in scratch memory up to kKeptBytes. Beyond, as many
// keys have sums that are kept as d_keys has memory for, half of them (f32: nearly all); for the others G is made
// twice, in a second sweep that needs the sums of one panel alone: 7 N M H. In d_keys the sums lie one panel further
// than where gradients start, so that a panel's gradients take the place of sums that have become gradients before.
//
// Floors: FLOP over the rate of the tensor cores. Bytes: each panel's vectors are read and copied once per panel of the
// other side (4 bytes an element), G is written once and read twice (6 bytes a logit, of a panel that fits in L2), and
// sums are read and written once per panel of the other side.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

constexpr int64_t kKeptBytes = int64_t{64} << 20;
constexpr int64_t kSumAlignment = 16;

// All that a call's division and memory depend on.
struct SimilarityShape {
  simcse_dtype dtype;
  int hidden;
  int64_t queries, keys;
  bool both_directions, same_side, margin, ids;

  bool plain() const { return !both_directions && !same_side && !margin && !ids; }
  bool keys_with_keys() const { return both_directions && same_side; }
  bool first_queries() const { return both_directions || ids; }  // of keys are asked for
  // Backward: one panel of queries finishes each panel of keys as it goes.
  bool one_sweep(int row_panel) const { return queries <= row_panel && !keys_with_keys(); }
  int64_t element() const { return dtype == SIMCSE_BF16 ? 2 : 4; }
};
template <typename Arguments>
SimilarityShape similarity_shape(const Arguments &a) {
  return {a.dtype,
          a.hidden,
          a.queries_count,
          a.keys_count,
          a.contrast.both_directions != 0,
          a.contrast.same_side_negatives != 0,
          a.contrast.has_margin != 0,
          a.contrast.query_ids != nullptr};
}

// How a call is divided: a function of the shape, so that sums are the same on every GPU.
struct SimilarityPlan {
  bool wgmma;             // instructions of the products: those of sm_90a, or of every GPU
  int logit_tile;         // rows of a tile of logits: 64 or 128
  int logit_columns;      // its columns: as many, by wgmma 256
  int gradient_tile;      // rows of a tile of gradients
  int gradient_columns;   // its columns: as many, by wgmma 128 or 256
  int columns;            // of a copied vector: H, filled up
  int row_panel;          // vectors of a panel, a multiple of the tiles
  int column_panel;       // with same-side negatives as many
  int tiles_of_range;     // forward: tiles of columns that a block of threads takes one after another
  int ranges;             // forward: blocks of threads that share a panel's columns
  int splits;             // backward: parts of the sum over a panel's columns
  int64_t kept_keys;      // backward: keys whose sums are kept over all panels of queries: whole panels, or all
  bool kept_in_gradient;  // in d_keys, from its second panel on; else in scratch memory
};
SimilarityPlan similarity_forward_plan(const SimilarityShape &shape, bool wgmma = false);
SimilarityPlan similarity_backward_plan(const SimilarityShape &shape, bool wgmma = false);

// Whether the GPU at hand is of sm_90a.
bool similarity_has_wgmma();
// Whether there is enough to multiply for the large tiles of wgmma; it is of bf16 alone.
bool similarity_fits_wgmma(const SimilarityShape &shape);
// Whether a call's products are by wgmma: where it is asked for, the GPU has it, and it fits.
bool similarity_by_wgmma(const SimilarityShape &shape);

// What SIMCSE_CUDA_SIMILARITY in the environment asks for, read once.
enum class SimilarityChoice { mma, wgmma, unknown };
SimilarityChoice similarity_choice();

// Vectors of the panel that starts at `first`.
inline int panel_count(int64_t count, int64_t first, int panel) {
  return (int)(count - first < panel ? count - first : panel);
}

// column - row of a diagonal in a block, out of reach where it is far from it.
constexpr int kNoDiagonal = 1 << 24;
inline int diagonal(int64_t offset) {
  return offset > kNoDiagonal || offset < -kNoDiagonal ? kNoDiagonal : (int)offset;
}

int64_t similarity_softmax_forward_scratch(const SimilarityShape &shape);   // bytes
int64_t similarity_softmax_backward_scratch(const SimilarityShape &shape);  // bytes

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args);
Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args);

// By a plan of one's own, and the bytes that it needs.
int64_t similarity_forward_bytes(const SimilarityPlan &plan, const SimilarityShape &shape);
int64_t similarity_backward_bytes(const SimilarityPlan &plan, const SimilarityShape &shape);
Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args,
                                 const SimilarityPlan &plan);
Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args,
                                  const SimilarityPlan &plan);

}  // namespace simcse::cuda
