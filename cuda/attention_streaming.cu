// Attention of long sentences: a block takes 64 queries, 16 a warp, and passes over the keys by 64, the next ones on
// their way into shared memory while it works on these (Dao 2023, algorithm 1). See attention.hpp; gradients are in
// attention_streaming_backward.cu.
//
// For D = 32, 64 and 128: shared memory 20, 40 and 80 KB (640 D bytes); at most 168 registers a lane
// (D = 128: 255), without spills, among them 32 scores and D / 2 sums of values.
#include "attention_softmax.hpp"
#include "attention_stream.hpp"

namespace simcse::cuda {

namespace {

constexpr int kTiles = kStreamRows / 16;

// For 16 queries of each warp. Where `count` and `tiles` are constants there is nothing to be asked on the way.
template <int kHead>
SIMT_DEVICE void take_keys(const ForwardArguments<bf16> &a, const Head &h, RowSoftmax<kTiles> &softmax,
                           float (&out)[kHead / 8][4], Tile<kHead> q, int first, Tile<kHead> k, Tile<kHead> v, int key,
                           int count, int tiles, Site at = Site::here()) {
  KeptOfRows<kTiles> kept;
  kept.draw(a.dropout, h, first + 16 * warp(), key, tiles, at);
  float s[2 * kTiles][4];
  score_product<kHead, kTiles>(s, q, 16 * warp(), k, tiles, at);
  uint32_t weights[kTiles][4];
  float factor[2];
  softmax.add(s, kept, count, tiles, weights, factor, at);
  SIMT_UNROLL for (int n = 0; n < kHead / 8; n++) {
    SIMT_UNROLL for (int i = 0; i < 4; i++) out[n][i] *= factor[i / 2];
  }
  SIMT_UNROLL for (int j = 0; j < kTiles; j++) {
    if (!beyond(j, tiles)) add_product<kHead>(out, weights[j], v, 16 * j, 0, at);
  }
}

template <int kHead>
SIMT_KERNEL(kAttentionThreads, kHead == 128 ? 2 : 3) forward(ForwardArguments<bf16> a) {
  Head h;
  int first;
  if (!name_block<kStreamRows>(a.batch, &h, &first)) return;
  const int rows = tokens_of_block<kStreamRows>(h.length, first);
  const int mine = rows - 16 * warp();  // rows of this warp, if above 0
  const int stride = 3 * a.hidden;
  const bf16 *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  const Tile<kHead> q = {dynamic_shared<bf16>()};
  const TilePairs<kHead, kStreamRows> keys = {q.data + kStreamRows * kHead};
  copy_tile(q, qkv + (int64_t)first * stride, stride, rows, thread(), kAttentionThreads);
  keys.ask(0, qkv + a.hidden, stride, qkv + 2 * a.hidden, stride, h.length, 0);

  RowSoftmax<kTiles> softmax(a.scale);
  float out[kHead / 8][4];
  set_zero(out);
  for (int key = 0, stage = 0; key < h.length; key += kStreamRows, stage ^= 1) {
    cp_async_wait<0>();
    sync_block();  // these keys have come, and all are done with those before
    keys.ask(stage ^ 1, qkv + a.hidden, stride, qkv + 2 * a.hidden, stride, h.length, key + kStreamRows);
    if (mine <= 0) continue;
    const int count = tokens_of_block<kStreamRows>(h.length, key);
    const Tile<kHead> k = keys.left(stage), v = keys.right(stage);
    if (count == kStreamRows) {
      take_keys(a, h, softmax, out, q, first, k, v, key, kStreamRows, kTiles);
    } else {
      take_keys(a, h, softmax, out, q, first, k, v, key, count, (count + 15) / 16);
    }
  }
  if (mine <= 0) return;
  softmax.end();
  const int64_t row = h.row + first + 16 * warp();
  softmax.store(a.lse == nullptr ? nullptr : a.lse + row * a.heads + h.head, a.heads, mine);
  store_fragments(a.out + row * a.hidden + h.head * kHead, a.hidden, mine, out, a.dropout.scale / softmax.sum[0],
                  a.dropout.scale / softmax.sum[1]);
}

}  // namespace

Fault launch_stream_forward(const AttentionPlan &plan, Stream stream, const ForwardArguments<bf16> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    return launch("attention_forward", forward<decltype(size)::value>, plan.forward, stream, arguments);
  });
}

}  // namespace simcse::cuda
