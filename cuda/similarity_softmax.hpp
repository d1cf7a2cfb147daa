// similarity_softmax: InfoNCE over cosine similarities (van den Oord et al. 2018; Gao et al. 2021, equation 1) of
// queries (N, H) and keys (M, H), and its gradients; see simcse.h.
//
// Vectors are taken in panels. A panel's vectors are first copied to scratch memory, each times a power of two that
// brings its length to 128 .. 256: bf16 becomes f16, without loss but in elements below 2^-22 of the length, where it
// is at most 2^-32 of the length; f32 stays. Rows and columns are filled up with zeros to whole tiles. All products
// then are of such copies, on tensor cores (f16) or by fmaf (f32):
//
//   forward    tiles of logits, of each of which a row keeps its largest and the sum of its exponentials: 2 N M H FLOP
//   backward   for each pair of panels G = d loss / d products, then d_queries += G keys and d_keys += G^T queries:
//              6 N M H FLOP. G is f16, which has 8 times the precision of bf16: gradients are what is left of sums that
//              nearly cancel.
//
// Giving each block rows of d_queries to keep, and others rows of d_keys, would make G twice: 8 N M H, and a tile of
// 128 rows of H = 768 does not fit in registers and shared memory anyway. But sums over several panels of queries need
// f32 sums for d_keys of all keys. Where these would pass kWholeKeysBytes there are two sweeps, one for each gradient.
//
// Floors: FLOP over the rate of the tensor cores. Bytes: each panel's vectors are read and copied once per panel of the
// other side (4 bytes an element), G is written once and read twice (6 bytes a logit, of a panel that fits in L2), and
// sums are read and written once per panel of the other side.
#pragma once

#include "launch.hpp"

namespace simcse::cuda {

constexpr int64_t kWholeKeysBytes = int64_t{256} << 20;

// How a call is divided: a function of the shapes, so that sums are the same on every GPU.
struct SimilarityPlan {
  int logit_tile;      // queries and keys of a tile of logits: 64 or 128
  int gradient_tile;   // rows and columns of a tile of gradients
  int columns;         // of a copied vector: H, filled up
  int query_panel;     // vectors of a panel, a multiple of the tiles
  int key_panel;
  int tiles_of_range;  // forward: tiles of keys that a block takes one after another
  int ranges;          // forward: blocks that share a panel's keys
  int splits;          // backward: parts of the sum over a panel's keys
  bool whole_keys;     // backward: f32 sums for d_keys of all keys; else two sweeps where there are several panels of
                       // queries
};
SimilarityPlan similarity_forward_plan(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys);
SimilarityPlan similarity_backward_plan(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys);

// Vectors of the panel that starts at `first`.
inline int panel_count(int64_t count, int64_t first, int panel) {
  return (int)(count - first < panel ? count - first : panel);
}

// column - row of a query's own hard negative in the panels that start at i0 and j0; out of reach where there is none.
inline int own_column(const simcse_contrast &contrast, int64_t i0, int64_t j0) {
  constexpr int64_t kFar = 1 << 24;
  const int64_t own = contrast.own_negative_offset + i0 - j0;
  return contrast.own_negative_bias == 0.0f || own > kFar || own < -kFar ? (int)kFar : (int)own;
}

int64_t similarity_softmax_forward_scratch(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys);   // bytes
int64_t similarity_softmax_backward_scratch(simcse_dtype dtype, int hidden, int64_t queries, int64_t keys);  // bytes

Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args);
Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args);

// By a plan of one's own, and the bytes that it needs.
int64_t similarity_forward_bytes(const SimilarityPlan &plan, simcse_dtype dtype, int64_t queries);
int64_t similarity_backward_bytes(const SimilarityPlan &plan, simcse_dtype dtype, int64_t keys);
Fault similarity_softmax_forward(const Queue &queue, const simcse_similarity_softmax_forward &args,
                                 const SimilarityPlan &plan);
Fault similarity_softmax_backward(const Queue &queue, const simcse_similarity_softmax_backward &args,
                                  const SimilarityPlan &plan);

}  // namespace simcse::cuda
