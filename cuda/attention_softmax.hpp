// The softmax of attention's forward pass over one block of keys after another (Milakov and Gimelshein 2018), for 16
// queries of a warp. Scores become powers of 2 after the largest is subtracted, as in probability_of.
#pragma once

#include "attention_tile.hpp"

namespace simcse::cuda {

template <int kTiles>
struct RowSoftmax {
  float most[2] = {-INFINITY, -INFINITY};  // of the scores so far, of rows g and g + 8
  float sum[2] = {0.0f, 0.0f};             // of exp(score - most), this lane's part
  float scale, scale2;                     // 1 / sqrt D, and in powers of 2

  SIMT_DEVICE explicit RowSoftmax(float scale_of_scores) : scale(scale_of_scores), scale2(scale_of_scores * kLog2e) {}

  // Takes the scores of `keys` more keys in `tiles` tiles: `weights` becomes exp(score - most), as left operands, 0 for
  // those that are dropped; what came before is to be lowered by `factor`. `s` is not needed afterwards.
  SIMT_DEVICE void add(float (&s)[2 * kTiles][4], const KeptOfRows<kTiles> &kept, int keys, int tiles,
                       uint32_t (&weights)[kTiles][4], float (&factor)[2], Site at = Site::here()) {
    float next[2] = {most[0], most[1]};
    SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
      if (beyond(n / 2, tiles)) continue;
      const bool last = 16 * (n / 2 + 1) > keys;
      SIMT_UNROLL for (int i = 0; i < 4; i++) {
        if (last && fragment_column(n, i) >= keys) s[n][i] = -INFINITY;
        next[i / 2] = fmaxf(next[i / 2], s[n][i]);
      }
    }
    SIMT_UNROLL for (int h = 0; h < 2; h++) {
      next[h] = quad_max(next[h], at);
      factor[h] = exp2_fast((most[h] - next[h]) * scale2);
      most[h] = next[h];
      sum[h] *= factor[h];
    }
    SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
      if (beyond(j, tiles)) continue;
      SIMT_UNROLL for (int n = 2 * j; n < 2 * j + 2; n++) {
        SIMT_UNROLL for (int i = 0; i < 4; i++) {
          s[n][i] = exp2_fast((s[n][i] - most[i / 2]) * scale2);
          sum[i / 2] += s[n][i];
        }
      }
      pack_left_kept(weights[j], s[2 * j], s[2 * j + 1], kept, 2 * j);
    }
  }

  SIMT_DEVICE void end(Site at = Site::here()) {
    SIMT_UNROLL for (int h = 0; h < 2; h++) sum[h] = quad_sum(sum[h], at);
  }

  // After end: the first `rows` log-sum-exps; `lse` is that of row 0, or null.
  SIMT_DEVICE void store(float *lse, int heads, int rows) const {
    const int row = lane() / 4 + 8 * (lane() % 4);
    if (lse == nullptr || lane() % 4 >= 2 || row >= rows) return;
    const bool upper = lane() % 4 == 0;
    lse[(int64_t)row * heads] = fmaf(upper ? most[0] : most[1], scale, log2_fast(upper ? sum[0] : sum[1]) * kLn2);
  }
};

}  // namespace simcse::cuda
