// Gradients of attention of long sentences, in two kernels, so that each number has one writer and no sum depends on
// the order of arrival (Dao 2023, algorithm 2, its two loops apart). The first takes blocks of 64 queries, passes over
// keys by 64, and leaves delta, the row sums of d_out * out; the second takes blocks of 64 keys and passes over queries
// by 64, or 32 with D = 128. See attention.hpp.
//
//              shared memory, KB: D = 32   64  128     registers of a lane, at most: D = 32   64  128    sums
//   queries    (768 D bytes)          24   48   96                                  168  168  255    D / 2
//   keys                              25   49   65                                  255  255  255    D
#include "attention_stream.hpp"

namespace simcse::cuda {

namespace {

constexpr int kStreamTiles = kStreamRows / 16;
// Of the 4 tiles that a block passes over, those whose scores and gradients are in registers together.
constexpr int kTilesAtOnce = 2;

// --- queries ---

// delta of 16 rows, of which rows g and g + 8 are this lane's.
template <int kHead>
SIMT_DEVICE void row_dots(float (&delta)[2], const bf16 *d_out, const bf16 *out, int stride, int rows,
                          Site at = Site::here()) {
  SIMT_UNROLL for (int half = 0; half < 2; half++) {
    const int mine = lane() / 4 + 8 * half;
    float sum = 0.0f;
    if (mine < rows) {
      SIMT_UNROLL for (int chunk = lane() % 4; chunk < kHead / 8; chunk += 4) {
        Pack<bf16, 8> x, y;
        x.load(out + mine * stride + 8 * chunk, at);
        y.load(d_out + mine * stride + 8 * chunk, at);
        float from_x[8], from_y[8];
        x.get(from_x);
        y.get(from_y);
        SIMT_UNROLL for (int i = 0; i < 8; i++) sum = fmaf(from_x[i], from_y[i], sum);
      }
    }
    delta[half] = quad_sum(sum, at);
  }
}

// For 16 queries of each warp.
template <int kHead>
SIMT_DEVICE void take_keys(const BackwardArguments<bf16> &a, const Head &h, float (&d_q)[kHead / 8][4], Tile<kHead> q,
                           Tile<kHead> d_out, int first, Tile<kHead> k, Tile<kHead> v, int key, int count, int tiles,
                           const float (&lse)[2], const float (&delta)[2], Site at = Site::here()) {
  constexpr int kTiles = kStreamTiles;
  KeptOfRows<kTiles> kept;
  kept.draw(a.dropout, h, first + 16 * warp(), key, tiles, at);
  SIMT_UNROLL for (int from = 0; from < kTiles; from += kTilesAtOnce) {
    if (beyond(from, tiles)) continue;
    float s[2 * kTilesAtOnce][4], d_p[2 * kTilesAtOnce][4];
    score_product<kHead, kTilesAtOnce>(d_p, d_out, 16 * warp(), v.from(16 * from), tiles - from, at);
    score_product<kHead, kTilesAtOnce>(s, q, 16 * warp(), k.from(16 * from), tiles - from, at);
    to_probabilities<kTilesAtOnce>(s, lse, a.scale, count - 16 * from, tiles - from);
    SIMT_UNROLL for (int j = 0; j < kTilesAtOnce; j++) {
      if (beyond(from + j, tiles)) continue;
      SIMT_UNROLL for (int n = 2 * j; n < 2 * j + 2; n++) {
        SIMT_UNROLL for (int i = 0; i < 4; i++) {
          const float d = kept(2 * from + n, i) ? d_p[n][i] * a.dropout.scale : 0.0f;
          s[n][i] *= d - delta[i / 2];
        }
      }
      uint32_t d_s[4];
      pack_left(d_s, s[2 * j], s[2 * j + 1]);
      add_product<kHead>(d_q, d_s, k, 16 * (from + j), 0, at);
    }
  }
}

template <int kHead>
SIMT_KERNEL(kAttentionThreads, kHead == 128 ? 2 : 3) query_gradients(BackwardArguments<bf16> a) {
  Head h;
  int first;
  if (!name_block<kStreamRows>(a.batch, &h, &first)) return;
  const int rows = tokens_of_block<kStreamRows>(h.length, first);
  const int mine = rows - 16 * warp();
  const int stride = 3 * a.hidden;
  const int64_t row = h.row + first;
  const bf16 *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  const Tile<kHead> q = {dynamic_shared<bf16>()};
  const Tile<kHead> d_out = {q.data + kStreamRows * kHead};
  const TilePairs<kHead, kStreamRows> keys = {d_out.data + kStreamRows * kHead};
  copy_tile(q, qkv + (int64_t)first * stride, stride, rows, thread(), kAttentionThreads);
  copy_tile(d_out, a.d_out + row * a.hidden + h.head * kHead, a.hidden, rows, thread(), kAttentionThreads);
  keys.ask(0, qkv + a.hidden, stride, qkv + 2 * a.hidden, stride, h.length, 0);

  float delta[2], lse[2] = {INFINITY, INFINITY};
  const int64_t channel = (row + 16 * warp()) * a.hidden + h.head * kHead;
  row_dots<kHead>(delta, a.d_out + channel, a.out + channel, a.hidden, mine);
  SIMT_UNROLL for (int half = 0; half < 2; half++) {
    const int query = lane() / 4 + 8 * half;
    if (query < mine) lse[half] = a.lse[(row + 16 * warp() + query) * a.heads + h.head];
  }
  float d_q[kHead / 8][4];
  set_zero(d_q);
  for (int key = 0, stage = 0; key < h.length; key += kStreamRows, stage ^= 1) {
    cp_async_wait<0>();
    sync_block();
    keys.ask(stage ^ 1, qkv + a.hidden, stride, qkv + 2 * a.hidden, stride, h.length, key + kStreamRows);
    if (mine <= 0) continue;
    const int count = tokens_of_block<kStreamRows>(h.length, key);
    const Tile<kHead> k = keys.left(stage), v = keys.right(stage);
    take_keys(a, h, d_q, q, d_out, first, k, v, key, count, (count + 15) / 16, lse, delta);
  }
  if (mine <= 0) return;
  bf16 *const to = a.d_qkv + (row + 16 * warp()) * stride + h.head * kHead;
  store_fragments(to, stride, mine, d_q, a.scale, a.scale);
  const int query = lane() / 4 + 8 * (lane() % 4);
  if (lane() % 4 >= 2 || query >= mine) return;
  a.delta[(row + 16 * warp() + query) * a.heads + h.head] = lane() % 4 == 0 ? delta[0] : delta[1];
}

// --- keys ---

// The statistics of a block of queries, two of which are held: lse and delta.
template <int kQueries>
struct Statistics {
  float *data;
  float lse, delta;  // of this thread's query, on their way

  SIMT_DEVICE const float *lse_of(int stage) const { return data + stage * 2 * kQueries; }
  SIMT_DEVICE const float *delta_of(int stage) const { return data + (stage * 2 + 1) * kQueries; }

  SIMT_DEVICE void ask(const BackwardArguments<bf16> &a, const Head &h, int first) {
    const int query = first + thread();
    const bool inside = thread() < kQueries && query < h.length;
    const int64_t at = inside ? (int64_t)(h.row + query) * a.heads + h.head : 0;
    lse = inside ? a.lse[at] : INFINITY;
    delta = inside ? a.delta[at] : 0.0f;
  }
  SIMT_DEVICE void put(int stage) const {
    if (thread() >= kQueries) return;
    data[stage * 2 * kQueries + thread()] = lse;
    data[(stage * 2 + 1) * kQueries + thread()] = delta;
  }
};

// Scores and gradients of probabilities, both (16 keys, queries from tile `from` on), of which tile from + j becomes
// kept probabilities and gradients of scores, as left operands of products over its queries.
template <int kAtOnce, typename Kept>
SIMT_DEVICE void pack_columns(uint32_t (&p)[4], uint32_t (&d_s)[4], float (&s)[2 * kAtOnce][4],
                              float (&d_p)[2 * kAtOnce][4], int j, const Kept &kept, int from, const float *lse,
                              const float *delta, float scale, float dropout_scale, Site at) {
  SIMT_UNROLL for (int n = 2 * j; n < 2 * j + 2; n++) {
    const int fragment = 2 * from + n;
    const Words<2> column_lse = load_words<2>(lse + fragment_column(fragment, 0), at);
    const Words<2> column_delta = load_words<2>(delta + fragment_column(fragment, 0), at);
    SIMT_UNROLL for (int i = 0; i < 4; i++) {
      const bool keep = kept(fragment, i);
      const float weight = probability_of(s[n][i], scale, float_of_bits(column_lse.word[i % 2]));
      const float d = keep ? d_p[n][i] * dropout_scale : 0.0f;
      s[n][i] = keep ? weight : 0.0f;
      d_p[n][i] = weight * (d - float_of_bits(column_delta.word[i % 2]));
    }
  }
  pack_left(p, s[2 * j], s[2 * j + 1]);
  pack_left(d_s, d_p[2 * j], d_p[2 * j + 1]);
}

// For 16 keys of each warp.
template <int kHead, int kTiles>
SIMT_DEVICE void take_queries(const BackwardArguments<bf16> &a, const Head &h, float (&d_k)[kHead / 8][4],
                              float (&d_v)[kHead / 8][4], Tile<kHead> k, Tile<kHead> v, int first, Tile<kHead> q,
                              Tile<kHead> d_out, int query, int tiles, const float *lse, const float *delta,
                              Site at = Site::here()) {
  constexpr int kAtOnce = kHead == 128 ? 1 : kTilesAtOnce;
  KeptOfColumns<kTiles> kept;
  kept.draw(a.dropout, h, first + 16 * warp(), query, tiles, at);
  SIMT_UNROLL for (int from = 0; from < kTiles; from += kAtOnce) {
    if (beyond(from, tiles)) continue;
    float s[2 * kAtOnce][4], d_p[2 * kAtOnce][4];
    score_product<kHead, kAtOnce>(s, k, 16 * warp(), q.from(16 * from), tiles - from, at);
    score_product<kHead, kAtOnce>(d_p, v, 16 * warp(), d_out.from(16 * from), tiles - from, at);
    SIMT_UNROLL for (int j = 0; j < kAtOnce; j++) {
      if (beyond(from + j, tiles)) continue;
      uint32_t p[4], d_s[4];
      pack_columns<kAtOnce>(p, d_s, s, d_p, j, kept, from, lse, delta, a.scale, a.dropout.scale, at);
      add_product<kHead>(d_v, p, d_out, 16 * (from + j), 0, at);
      add_product<kHead>(d_k, d_s, q, 16 * (from + j), 0, at);
    }
  }
}

template <int kHead>
SIMT_KERNEL(kAttentionThreads, 2) key_gradients(BackwardArguments<bf16> a) {
  constexpr int kQueries = StreamQueries<kHead>::value;
  constexpr int kTiles = kQueries / 16;
  Head h;
  int first;
  if (!name_block<kStreamRows>(a.batch, &h, &first)) return;
  const int rows = tokens_of_block<kStreamRows>(h.length, first);
  const int mine = rows - 16 * warp();
  const int stride = 3 * a.hidden;
  const bf16 *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  const bf16 *const d_out = a.d_out + (int64_t)h.row * a.hidden + h.head * kHead;
  const Tile<kHead> k = {dynamic_shared<bf16>()};
  const Tile<kHead> v = {k.data + kStreamRows * kHead};
  const TilePairs<kHead, kQueries> queries = {v.data + kStreamRows * kHead};
  Statistics<kQueries> statistics = {reinterpret_cast<float *>(queries.data + 4 * kQueries * kHead), 0.0f, 0.0f};
  copy_tile(k, qkv + a.hidden + (int64_t)first * stride, stride, rows, thread(), kAttentionThreads);
  copy_tile(v, qkv + 2 * a.hidden + (int64_t)first * stride, stride, rows, thread(), kAttentionThreads);
  queries.ask(0, qkv, stride, d_out, a.hidden, h.length, 0);
  statistics.ask(a, h, 0);

  float d_k[kHead / 8][4], d_v[kHead / 8][4];
  set_zero(d_k);
  set_zero(d_v);
  for (int query = 0, stage = 0; query < h.length; query += kQueries, stage ^= 1) {
    cp_async_wait<0>();
    statistics.put(stage);
    sync_block();
    queries.ask(stage ^ 1, qkv, stride, d_out, a.hidden, h.length, query + kQueries);
    statistics.ask(a, h, query + kQueries);
    if (mine <= 0) continue;
    const int count = tokens_of_block<kQueries>(h.length, query);
    const Tile<kHead> q = queries.left(stage), d_o = queries.right(stage);
    const float *const lse = statistics.lse_of(stage), *const delta = statistics.delta_of(stage);
    if (kHead < 128 && count == kQueries) {  // `tiles` is a constant: nothing to be asked on the way
      take_queries<kHead, kTiles>(a, h, d_k, d_v, k, v, first, q, d_o, query, kTiles, lse, delta);
    } else {
      take_queries<kHead, kTiles>(a, h, d_k, d_v, k, v, first, q, d_o, query, (count + 15) / 16, lse, delta);
    }
  }
  if (mine <= 0) return;
  bf16 *const to = a.d_qkv + (int64_t)(h.row + first + 16 * warp()) * stride + a.hidden + h.head * kHead;
  store_fragments(to, stride, mine, d_k, a.scale, a.scale);
  store_fragments(to + a.hidden, stride, mine, d_v, a.dropout.scale, a.dropout.scale);
}

}  // namespace

Fault launch_stream_backward(const AttentionPlan &plan, Stream stream, const BackwardArguments<bf16> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    constexpr int kHead = decltype(size)::value;
    const Fault fault =
        launch("attention_backward, queries", query_gradients<kHead>, plan.backward, stream, arguments);
    if (fault != 0) return fault;
    return launch("attention_backward, keys", key_gradients<kHead>, plan.backward_keys, stream, arguments);
  });
}

}  // namespace simcse::cuda
