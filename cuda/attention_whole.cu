// Attention of short sentences: a whole head of a sentence is in shared memory, its scores in registers, and each
// number passes memory once. See attention.hpp.
//
// A block is 4 warps, but 2 in whole32 with D = 128. Its shared memory, KB, where tiles have all their 32 or 64 rows:
//                whole32, D = 32    64    128      whole64, D = 32    64    128
//   forward                  24    48     48                12    24     48
//   backward                 40    64     64                28    40     64
// Registers of a lane: at most 128 forward and 168 backward, for 4 and 3 blocks of 4 warps, without spills.
// Scores of 16 queries and 64 keys (backward 32 and 32) are 32 floats a lane, held twice backward, as probabilities and
// as their gradients, then in half as many words, rounded for the products that follow.
#include "attention_softmax.hpp"

namespace simcse::cuda {

namespace {

// Which head of which sentence a warp works on, and who works with it.
template <int kHead, int kLength>
struct Whole {
  static constexpr int kUnits = whole_units(kHead, kLength);
  static constexpr int kWarps = whole_warps(kLength);
  static constexpr int kThreads = kUnits * kWarps * kWarp;
  static constexpr int kTiles = kLength / 16;
  static constexpr int kOwn = kTiles / kWarps;  // tiles of 16 tokens for each warp
  static constexpr int kForwardWidth = whole_forward_width(kHead);
  static constexpr int kBackwardWidth = whole_backward_width(kHead, kLength);

  // Of the block's heads, and of the warps and lanes that share one.
  static SIMT_DEVICE int slot() { return warp() / kWarps; }
  static SIMT_DEVICE int member() { return warp() % kWarps; }
  static SIMT_DEVICE int index() { return thread() % (kWarps * kWarp); }
  static SIMT_DEVICE void sync(Site at = Site::here()) {
    if constexpr (kWarps == 1) {
      sync_warp(kFullWarp, at);
    } else {
      sync_block(at);
    }
  }
  // False where there are no more: for all warps that share it.
  static SIMT_DEVICE bool name(const Batch &batch, int heads, Head *head) {
    const int64_t unit = (int64_t)block_x() * kUnits + slot();
    const int64_t sentence = unit / heads;
    if (sentence >= (int64_t)batch.views * batch.sentences) return false;
    *head = name_head(batch, (int)(sentence % batch.sentences), (int)(unit % heads), (int)(sentence / batch.sentences));
    return true;
  }
};

// --- forward ---

template <int kHead, int kLength>
SIMT_KERNEL(Whole<kHead, kLength>::kThreads, 4) forward(ForwardArguments<bf16> a) {
  using W = Whole<kHead, kLength>;
  Head h;
  if (!W::name(a.batch, a.heads, &h)) return;
  const Tile<kHead> q = {dynamic_shared<bf16>() + W::slot() * a.rows * W::kForwardWidth};
  const Tile<kHead> k = {q.data + a.rows * kHead};
  const Tile<kHead> v = {k.data + a.rows * kHead};
  const bf16 *const qkv = a.qkv + (int64_t)h.row * 3 * a.hidden + h.head * kHead;
  copy_tile(q, qkv, 3 * a.hidden, h.length, W::index(), W::kWarps * kWarp);
  copy_tile(k, qkv + a.hidden, 3 * a.hidden, h.length, W::index(), W::kWarps * kWarp);
  copy_tile(v, qkv + 2 * a.hidden, 3 * a.hidden, h.length, W::index(), W::kWarps * kWarp);
  cp_async_commit();
  cp_async_wait<0>();
  W::sync();

  const int tiles = (h.length + 15) / 16;
  for (int m = 0; m < W::kOwn; m++) {
    const int tile = W::member() + m * W::kWarps;
    if (tile >= tiles) break;
    KeptOfRows<W::kTiles> kept;
    kept.draw(a.dropout, h, 16 * tile, 0, tiles);
    float s[2 * W::kTiles][4];
    score_product<kHead, W::kTiles>(s, q, 16 * tile, k, tiles);
    RowSoftmax<W::kTiles> softmax(a.scale);
    uint32_t weights[W::kTiles][4];
    float factor[2];
    softmax.add(s, kept, h.length, tiles, weights, factor);
    softmax.end();
    const int64_t row = h.row + 16 * tile;
    const int rows = h.length - 16 * tile;
    softmax.store(a.lse == nullptr ? nullptr : a.lse + row * a.heads + h.head, a.heads, rows);
    SIMT_UNROLL for (int i = 0; i < 2; i++) factor[i] = a.dropout.scale / softmax.sum[i];
    for (int column = 0; column < kHead; column += 32) {
      float d[4][4];
      set_zero(d);
      SIMT_UNROLL for (int j = 0; j < W::kTiles; j++) {
        if (!beyond(j, tiles)) add_product<32>(d, weights[j], v, 16 * j, column);
      }
      store_fragments(a.out + row * a.hidden + h.head * kHead + column, a.hidden, rows, d, factor[0], factor[1]);
    }
  }
}

// --- backward ---

// For 16 queries: probabilities (kept ones only) and the gradients of the scores as left operands, and the gradients of
// the queries.
template <int kHead, int kTiles>
SIMT_DEVICE void query_gradients(const BackwardArguments<bf16> &a, const Head &h, int tile, int tiles, Tile<kHead> q,
                                 Tile<kHead> k, Tile<kHead> v, Tile<kHead> d_out, uint32_t (&p)[kTiles][4],
                                 uint32_t (&d_s)[kTiles][4], Site at = Site::here()) {
  const int64_t row = h.row + 16 * tile;
  float lse[2];
  SIMT_UNROLL for (int half = 0; half < 2; half++) {
    const int query = lane() / 4 + 8 * half;
    lse[half] = 16 * tile + query < h.length ? a.lse[(row + query) * a.heads + h.head] : INFINITY;
  }
  KeptOfRows<kTiles> kept;
  kept.draw(a.dropout, h, 16 * tile, 0, tiles, at);

  float s[2 * kTiles][4], d_p[2 * kTiles][4];
  score_product<kHead, kTiles>(s, q, 16 * tile, k, tiles, at);
  to_probabilities<kTiles>(s, lse, a.scale, h.length, tiles);
  score_product<kHead, kTiles>(d_p, d_out, 16 * tile, v, tiles, at);
  drop_gradients<kTiles>(d_p, kept, a.dropout.scale, tiles);

  // The row sums of d_out * out, without reading out.
  float delta[2] = {0.0f, 0.0f};
  SIMT_UNROLL for (int n = 0; n < 2 * kTiles; n++) {
    if (beyond(n / 2, tiles)) continue;
    SIMT_UNROLL for (int i = 0; i < 4; i++) delta[i / 2] = fmaf(s[n][i], d_p[n][i], delta[i / 2]);
  }
  SIMT_UNROLL for (int half = 0; half < 2; half++) delta[half] = quad_sum(delta[half], at);

  SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
    if (beyond(j, tiles)) continue;
    pack_left_kept(p[j], s[2 * j], s[2 * j + 1], kept, 2 * j);
    SIMT_UNROLL for (int n = 2 * j; n < 2 * j + 2; n++) {
      SIMT_UNROLL for (int i = 0; i < 4; i++) s[n][i] *= d_p[n][i] - delta[i / 2];
    }
    pack_left(d_s[j], s[2 * j], s[2 * j + 1]);
  }
  bf16 *const d_q = a.d_qkv + row * 3 * a.hidden + h.head * kHead;
  for (int column = 0; column < kHead; column += 32) {
    float d[4][4];
    set_zero(d);
    SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
      if (!beyond(j, tiles)) add_product<32>(d, d_s[j], k, 16 * j, column, at);
    }
    store_fragments(d_q + column, 3 * a.hidden, h.length - 16 * tile, d, a.scale, a.scale, at);
  }
}

// For 16 keys: weights^T (keys, queries) times x (queries, D), to `to`.
template <int kHead, int kLength>
SIMT_DEVICE void key_gradients(bf16 *to, int stride, int rows, int tile, int tiles, Tile<kLength> weights,
                               Tile<kHead> x, float factor, Site at = Site::here()) {
  constexpr int kTiles = kLength / 16;
  uint32_t w[kTiles][4];
  SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
    if (!beyond(j, tiles)) load_left_turned(w[j], weights, 16 * j, 16 * tile, at);
  }
  for (int column = 0; column < kHead; column += 32) {
    float d[4][4];
    set_zero(d);
    SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
      if (!beyond(j, tiles)) add_product<32>(d, w[j], x, 16 * j, column, at);
    }
    store_fragments(to + column, stride, rows, d, factor, factor, at);
  }
}

template <int kHead, int kLength>
SIMT_KERNEL(Whole<kHead, kLength>::kThreads, 3) backward(BackwardArguments<bf16> a) {
  using W = Whole<kHead, kLength>;
  Head h;
  if (!W::name(a.batch, a.heads, &h)) return;
  const int tile_size = a.rows * kHead;
  const Tile<kHead> q = {dynamic_shared<bf16>() + W::slot() * a.rows * W::kBackwardWidth};
  const Tile<kHead> k = {q.data + tile_size};
  const Tile<kHead> d_out = {k.data + tile_size};
  const Tile<kHead> v = {d_out.data + tile_size};
  const Tile<kLength> p_tile = {v.data};
  const Tile<kLength> d_s_tile = {p_tile.data + a.rows * kLength};
  const int stride = 3 * a.hidden;
  const bf16 *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  copy_tile(q, qkv, stride, h.length, W::index(), W::kWarps * kWarp);
  copy_tile(k, qkv + a.hidden, stride, h.length, W::index(), W::kWarps * kWarp);
  copy_tile(v, qkv + 2 * a.hidden, stride, h.length, W::index(), W::kWarps * kWarp);
  copy_tile(d_out, a.d_out + (int64_t)h.row * a.hidden + h.head * kHead, a.hidden, h.length, W::index(),
            W::kWarps * kWarp);
  cp_async_commit();
  cp_async_wait<0>();
  W::sync();

  const int tiles = (h.length + 15) / 16;
  uint32_t p[W::kOwn][W::kTiles][4], d_s[W::kOwn][W::kTiles][4];
  SIMT_UNROLL for (int m = 0; m < W::kOwn; m++) {
    const int tile = W::member() + m * W::kWarps;
    if (tile < tiles) query_gradients<kHead, W::kTiles>(a, h, tile, tiles, q, k, v, d_out, p[m], d_s[m]);
  }
  W::sync();  // the values have been read
  SIMT_UNROLL for (int m = 0; m < W::kOwn; m++) {
    const int tile = W::member() + m * W::kWarps;
    SIMT_UNROLL for (int j = 0; j < W::kTiles; j++) {
      if (tile >= tiles || beyond(j, tiles)) continue;
      store_left(p_tile, 16 * tile, 16 * j, p[m][j]);
      store_left(d_s_tile, 16 * tile, 16 * j, d_s[m][j]);
    }
  }
  W::sync();
  for (int m = 0; m < W::kOwn; m++) {
    const int tile = W::member() + m * W::kWarps;
    if (tile >= tiles) break;
    bf16 *const d_k = a.d_qkv + (int64_t)(h.row + 16 * tile) * stride + a.hidden + h.head * kHead;
    const int rows = h.length - 16 * tile;
    key_gradients<kHead, kLength>(d_k, stride, rows, tile, tiles, d_s_tile, q, a.scale);
    key_gradients<kHead, kLength>(d_k + a.hidden, stride, rows, tile, tiles, p_tile, d_out, a.dropout.scale);
  }
}

}  // namespace

Fault launch_whole_forward(const AttentionPlan &plan, Stream stream, const ForwardArguments<bf16> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    constexpr int kHead = decltype(size)::value;
    return launch("attention_forward",
                  plan.variant == AttentionVariant::whole32 ? forward<kHead, 32> : forward<kHead, 64>, plan.forward,
                  stream, arguments);
  });
}

Fault launch_whole_backward(const AttentionPlan &plan, Stream stream, const BackwardArguments<bf16> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    constexpr int kHead = decltype(size)::value;
    return launch("attention_backward",
                  plan.variant == AttentionVariant::whole32 ? backward<kHead, 32> : backward<kHead, 64>, plan.backward,
                  stream, arguments);
  });
}

}  // namespace simcse::cuda
