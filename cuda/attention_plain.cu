// Attention without tensor cores: activations in f32, or in bf16 that is not aligned to 16 bytes. A block takes 32
// rows, 8 a warp, and passes over columns by 32, one a lane. Rows are queries and columns keys, forward and for the
// gradients of the queries; for those of keys and values it is the other way about. Each number has one writer.
//
// Bound by the multiply-adds, 2 L^2 D forward and 7 L^2 D backward for each head of a sentence, and by the reads of
// shared memory that feed them: 9 of 16 bytes for 32 multiply-adds. Shared memory at D = 64: 30 KB forward, 38 KB and
// 42 KB backward; at D = 128: 53, 70 and 74 KB.
#include "attention_kernels.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = kAttentionThreads / kWarp;
constexpr int kRows = kPlainRows / kWarps;  // of a warp

// Rows of 32 tokens, as floats.
template <int kHead>
struct Plain {
  static constexpr int kStride = kHead + kPlainPad;
  static constexpr int kTile = kPlainRows * kStride;
  static constexpr int kWeights = kPlainRows * kPlainRows;
  static constexpr int kEach = kHead / kWarp;  // columns of a result in a lane
  using Sums = float[kRows][kEach];

  // Rows `rows` on of the tile become 0.
  template <typename T>
  static SIMT_DEVICE void load(float *tile, const T *from, int stride, int rows) {
    for (int i = thread(); i < kPlainRows * kHead; i += kAttentionThreads) {
      const int row = i / kHead;
      const int c = i % kHead;
      tile[row * kStride + c] = row < rows ? to_float(from[row * stride + c]) : 0.0f;
    }
  }

  // s[r] = row r of this warp in x times row lane() of y.
  static SIMT_DEVICE void scores(float (&s)[kRows], const float *x, const float *y, Site at = Site::here()) {
    SIMT_UNROLL for (int r = 0; r < kRows; r++) s[r] = 0.0f;
    const float *const mine = x + warp() * kRows * kStride;
    for (int c = 0; c < kHead; c += 4) {
      float b[4];
      load_floats(b, y + lane() * kStride + c, at);
      SIMT_UNROLL for (int r = 0; r < kRows; r++) {
        float a[4];
        load_floats(a, mine + r * kStride + c, at);
        SIMT_UNROLL for (int i = 0; i < 4; i++) s[r] = fmaf(a[i], b[i], s[r]);
      }
    }
  }

  // Sums += weights (rows of this warp, 32) times x (32, D): columns lane() + 32 i.
  static SIMT_DEVICE void add_product(Sums &sums, const float *weights, const float *x, Site at = Site::here()) {
    for (int c = 0; c < kPlainRows; c += 4) {
      float w[kRows][4];
      SIMT_UNROLL for (int r = 0; r < kRows; r++) load_floats(w[r], weights_of(weights, r) + c, at);
      SIMT_UNROLL for (int i = 0; i < 4; i++) {
        SIMT_UNROLL for (int e = 0; e < kEach; e++) {
          const float b = x[(c + i) * kStride + lane() + kWarp * e];
          SIMT_UNROLL for (int r = 0; r < kRows; r++) sums[r][e] = fmaf(w[r][i], b, sums[r][e]);
        }
      }
    }
  }

  // A warp's own rows of an array of weights.
  static SIMT_DEVICE float *weights_of(float *weights, int r) {
    return weights + (warp() * kRows + r) * kPlainRows;
  }
  static SIMT_DEVICE const float *weights_of(const float *weights, int r) {
    return weights + (warp() * kRows + r) * kPlainRows;
  }

  template <typename T>
  static SIMT_DEVICE void store(T *to, int stride, int rows, const Sums &sums, const float (&factor)[kRows]) {
    SIMT_UNROLL for (int r = 0; r < kRows; r++) {
      const int row = warp() * kRows + r;
      if (row >= rows) continue;
      SIMT_UNROLL for (int e = 0; e < kEach; e++) {
        to[row * stride + lane() + kWarp * e] = from_float<T>(sums[r][e] * factor[r]);
      }
    }
  }
  static SIMT_DEVICE void set_zero(Sums &sums) {
    SIMT_UNROLL for (int r = 0; r < kRows; r++) {
      SIMT_UNROLL for (int e = 0; e < kEach; e++) sums[r][e] = 0.0f;
    }
  }
};

// Bit r: whether the weight of query row + r and key column + lane() is kept. Four lanes share a call of Philox.
SIMT_DEVICE uint32_t kept_keys(const Dropout &dropout, const Head &head, int row, int column,
                               Site at = Site::here()) {
  if (!dropout.active) return 0xffffffffu;
  uint32_t own = 0;
  SIMT_UNROLL for (int i = 0; i < kRows; i += 4) {
    const MaskRow mask =
        mask_row(dropout, head.mask_position(row + i + lane() % 4), head.sample, head.view);
    own |= kept_of_block(dropout, mask, (uint32_t)(column + lane()) / 4) << i;
  }
  uint32_t bits = 0;
  SIMT_UNROLL for (int r = 0; r < kRows; r++) {
    const uint32_t word = shuffle(own, lane() / 4 * 4 + r % 4, kFullWarp, at);
    bits |= (word >> (r / 4 * 4 + lane() % 4) & 1) << r;
  }
  return bits;
}

// The same of key row + r and query column + lane().
SIMT_DEVICE uint32_t kept_queries(const Dropout &dropout, const Head &head, int row, int column) {
  if (!dropout.active) return 0xffffffffu;
  const MaskRow mask = mask_row(dropout, head.mask_position(column + lane()), head.sample, head.view);
  return kept<kRows>(dropout, mask, (uint32_t)row);
}

// --- forward ---

template <typename T, int kHead>
SIMT_KERNEL(kAttentionThreads, 2) forward(ForwardArguments<T> a) {
  using P = Plain<kHead>;
  Head h;
  int first;
  if (!name_block<kPlainRows>(a.batch, &h, &first)) return;
  const int stride = 3 * a.hidden;
  const T *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  float *const q = dynamic_shared<float>();
  float *const k = q + P::kTile;
  float *const v = k + P::kTile;
  float *const weights = v + P::kTile;
  P::load(q, qkv + (int64_t)first * stride, stride, h.length - first);

  typename P::Sums out;
  P::set_zero(out);
  float most[kRows], sum[kRows];
  SIMT_UNROLL for (int r = 0; r < kRows; r++) {
    most[r] = -INFINITY;
    sum[r] = 0.0f;
  }
  for (int key = 0; key < h.length; key += kPlainRows) {
    sync_block();
    const T *const from = qkv + (int64_t)key * stride;
    P::load(k, from + a.hidden, stride, h.length - key);
    P::load(v, from + 2 * a.hidden, stride, h.length - key);
    sync_block();
    float s[kRows];
    P::scores(s, q, k);
    const uint32_t kept = kept_keys(a.dropout, h, first + warp() * kRows, key);
    SIMT_UNROLL for (int r = 0; r < kRows; r++) {
      s[r] = key + lane() < h.length ? s[r] * a.scale : -INFINITY;
      const float next = fmaxf(most[r], warp_max(s[r]));
      const float factor = expf(most[r] - next);
      const float weight = expf(s[r] - next);
      most[r] = next;
      sum[r] = fmaf(sum[r], factor, weight);
      SIMT_UNROLL for (int e = 0; e < P::kEach; e++) out[r][e] *= factor;
      P::weights_of(weights, r)[lane()] = kept >> r & 1 ? weight : 0.0f;
    }
    sync_warp();
    P::add_product(out, weights, v);
  }
  float factor[kRows];
  SIMT_UNROLL for (int r = 0; r < kRows; r++) {
    sum[r] = warp_sum(sum[r]);
    factor[r] = a.dropout.scale / sum[r];
    const int query = first + warp() * kRows + r;
    if (a.lse != nullptr && lane() == r && query < h.length) {
      a.lse[(int64_t)(h.row + query) * a.heads + h.head] = most[r] + logf(sum[r]);
    }
  }
  P::store(a.out + (int64_t)(h.row + first) * a.hidden + h.head * kHead, a.hidden, h.length - first, out, factor);
}

// --- gradients of the queries, and delta ---

template <typename T, int kHead>
SIMT_KERNEL(kAttentionThreads, 2) query_gradients(BackwardArguments<T> a) {
  using P = Plain<kHead>;
  Head h;
  int first;
  if (!name_block<kPlainRows>(a.batch, &h, &first)) return;
  const int stride = 3 * a.hidden;
  const T *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  const int64_t channel = (int64_t)(h.row + first) * a.hidden + h.head * kHead;
  float *const q = dynamic_shared<float>();
  float *const d_out = q + P::kTile;
  float *const k = d_out + P::kTile;
  float *const v = k + P::kTile;
  float *const weights = v + P::kTile;
  P::load(q, qkv + (int64_t)first * stride, stride, h.length - first);
  P::load(d_out, a.d_out + channel, a.hidden, h.length - first);

  float lse[kRows], delta[kRows], factor[kRows];
  SIMT_UNROLL for (int r = 0; r < kRows; r++) {
    const int query = warp() * kRows + r;
    const bool inside = first + query < h.length;
    const int64_t at = inside ? (int64_t)(h.row + first + query) * a.heads + h.head : 0;
    float sum = 0.0f;
    SIMT_UNROLL for (int e = 0; e < P::kEach; e++) {
      const int64_t c = channel + (inside ? query : 0) * a.hidden + lane() + kWarp * e;
      sum = fmaf(to_float(a.d_out[c]), to_float(a.out[c]), sum);
    }
    delta[r] = warp_sum(sum);
    lse[r] = inside ? a.lse[at] : INFINITY;
    factor[r] = a.scale;
    if (inside && lane() == 0) a.delta[at] = delta[r];
  }
  typename P::Sums d_q;
  P::set_zero(d_q);
  for (int key = 0; key < h.length; key += kPlainRows) {
    sync_block();
    const T *const from = qkv + (int64_t)key * stride;
    P::load(k, from + a.hidden, stride, h.length - key);
    P::load(v, from + 2 * a.hidden, stride, h.length - key);
    sync_block();
    float s[kRows], d_p[kRows];
    P::scores(s, q, k);
    P::scores(d_p, d_out, v);
    const uint32_t kept = kept_keys(a.dropout, h, first + warp() * kRows, key);
    SIMT_UNROLL for (int r = 0; r < kRows; r++) {
      const float p = key + lane() < h.length ? expf(fmaf(s[r], a.scale, -lse[r])) : 0.0f;
      const float d = kept >> r & 1 ? d_p[r] * a.dropout.scale : 0.0f;
      P::weights_of(weights, r)[lane()] = p * (d - delta[r]);
    }
    sync_warp();
    P::add_product(d_q, weights, k);
  }
  P::store(a.d_qkv + (int64_t)(h.row + first) * stride + h.head * kHead, stride, h.length - first, d_q, factor);
}

// --- gradients of keys and values ---

template <typename T, int kHead>
SIMT_KERNEL(kAttentionThreads, 2) key_gradients(BackwardArguments<T> a) {
  using P = Plain<kHead>;
  Head h;
  int first;
  if (!name_block<kPlainRows>(a.batch, &h, &first)) return;
  const int stride = 3 * a.hidden;
  const T *const qkv = a.qkv + (int64_t)h.row * stride + h.head * kHead;
  const T *const upstream = a.d_out + (int64_t)h.row * a.hidden + h.head * kHead;
  float *const k = dynamic_shared<float>();
  float *const v = k + P::kTile;
  float *const q = v + P::kTile;
  float *const d_out = q + P::kTile;
  float *const weights = d_out + P::kTile;
  float *const d_scores = weights + P::kWeights;
  P::load(k, qkv + a.hidden + (int64_t)first * stride, stride, h.length - first);
  P::load(v, qkv + 2 * a.hidden + (int64_t)first * stride, stride, h.length - first);

  typename P::Sums d_k, d_v;
  P::set_zero(d_k);
  P::set_zero(d_v);
  for (int query = 0; query < h.length; query += kPlainRows) {
    sync_block();
    P::load(q, qkv + (int64_t)query * stride, stride, h.length - query);
    P::load(d_out, upstream + (int64_t)query * a.hidden, a.hidden, h.length - query);
    sync_block();
    float s[kRows], d_p[kRows];
    P::scores(s, k, q);
    P::scores(d_p, v, d_out);
    const bool inside = query + lane() < h.length;
    const int64_t at = inside ? (int64_t)(h.row + query + lane()) * a.heads + h.head : 0;
    const float lse = inside ? a.lse[at] : INFINITY;
    const float delta = inside ? a.delta[at] : 0.0f;
    const uint32_t kept = kept_queries(a.dropout, h, first + warp() * kRows, query);
    SIMT_UNROLL for (int r = 0; r < kRows; r++) {
      const float p = expf(fmaf(s[r], a.scale, -lse));
      const bool keep = (kept >> r & 1) != 0;
      P::weights_of(weights, r)[lane()] = keep ? p : 0.0f;
      P::weights_of(d_scores, r)[lane()] = p * ((keep ? d_p[r] * a.dropout.scale : 0.0f) - delta);
    }
    sync_warp();
    P::add_product(d_v, weights, d_out);
    P::add_product(d_k, d_scores, q);
  }
  T *const to = a.d_qkv + (int64_t)(h.row + first) * stride + a.hidden + h.head * kHead;
  float k_factor[kRows], v_factor[kRows];
  SIMT_UNROLL for (int r = 0; r < kRows; r++) {
    k_factor[r] = a.scale;
    v_factor[r] = a.dropout.scale;
  }
  P::store(to, stride, h.length - first, d_k, k_factor);
  P::store(to + a.hidden, stride, h.length - first, d_v, v_factor);
}

// --- host ---

template <typename T>
Fault enqueue_forward(const AttentionPlan &plan, Stream stream, const ForwardArguments<T> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    return launch("attention_forward", forward<T, decltype(size)::value>, plan.forward, stream, arguments);
  });
}

template <typename T>
Fault enqueue_backward(const AttentionPlan &plan, Stream stream, const BackwardArguments<T> &arguments) {
  return with_head_size(plan.head_size, [&](auto size) {
    constexpr int kHead = decltype(size)::value;
    const Fault fault =
        launch("attention_backward, queries", query_gradients<T, kHead>, plan.backward, stream, arguments);
    if (fault != 0) return fault;
    return launch("attention_backward, keys", key_gradients<T, kHead>, plan.backward_keys, stream, arguments);
  });
}

}  // namespace

Fault launch_plain_forward(const AttentionPlan &plan, Stream stream, const ForwardArguments<bf16> &arguments) {
  return enqueue_forward(plan, stream, arguments);
}
Fault launch_plain_forward(const AttentionPlan &plan, Stream stream, const ForwardArguments<float> &arguments) {
  return enqueue_forward(plan, stream, arguments);
}
Fault launch_plain_backward(const AttentionPlan &plan, Stream stream, const BackwardArguments<bf16> &arguments) {
  return enqueue_backward(plan, stream, arguments);
}
Fault launch_plain_backward(const AttentionPlan &plan, Stream stream, const BackwardArguments<float> &arguments) {
  return enqueue_backward(plan, stream, arguments);
}

}  // namespace simcse::cuda
