// Forward: a warp a token; its sum and normalisation are the same under every view, and are written under the masks of
// each.
#include "embedding.hpp"

#include "embedding_row.hpp"
#include "philox.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 4;

template <typename T>
struct Forward {
  Batch batch;
  Tables<T> tables;
  Dropout dropout;
  int hidden;
  float inverse_hidden;
  const float *gamma, *beta;
  float epsilon;
  T *out;
  float *mean, *rstd;
};

template <typename T, int N, int kPasses>
SIMT_KERNEL(kWarps *kWarp) forward(Forward<T> a) {
  const int token = block_x() * kWarps + warp();
  if (token >= a.batch.tokens) return;
  const int passes = passes_of<N, kPasses>(a.hidden);
  const TokenRows<T> rows = rows_of_token(a.batch, a.tables, a.hidden, token);
  float x[kHeld<kPasses>][N];
  float total = 0.0f;
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    float(&s)[N] = x[held<kPasses>(i)];
    rows.template sum<N>(s, c);
    SIMT_UNROLL for (int k = 0; k < N; k++) total += s[k];
  }
  const float mean = warp_sum(total) * a.inverse_hidden;
  float squares = 0.0f;
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    float(&s)[N] = x[held<kPasses>(i)];
    if constexpr (kPasses == 0) rows.template sum<N>(s, c);
    SIMT_UNROLL for (int k = 0; k < N; k++) squares = fmaf(s[k] - mean, s[k] - mean, squares);
  }
  const float rstd = rsqrt_fast(warp_sum(squares) * a.inverse_hidden + a.epsilon);
  if (lane() == 0) {
    a.mean[token] = mean;
    a.rstd[token] = rstd;
  }
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    float(&s)[N] = x[held<kPasses>(i)];
    if constexpr (kPasses == 0) rows.template sum<N>(s, c);
    float gamma[N], beta[N];
    load_floats(gamma, a.gamma + c);
    load_floats(beta, a.beta + c);
    SIMT_UNROLL for (int k = 0; k < N; k++) s[k] = normalised(s[k], mean, rstd, gamma[k], beta[k]);
    for (int view = 0; view < a.batch.views; view++) {
      float y[N];
      const uint32_t number = rows.name.view + (uint32_t)view;
      uint32_t words[N];
      mask_words(a.dropout, mask_row(a.dropout, rows.name.position, rows.name.sample, number), c, words);
      SIMT_UNROLL for (int k = 0; k < N; k++) y[k] = words[k] < a.dropout.threshold ? s[k] * a.dropout.scale : 0.0f;
      Pack<T, N> pack;
      pack.set(y);
      pack.store(a.out + ((int64_t)view * a.batch.tokens + token) * a.hidden + c);
    }
  }
}

struct ForwardKernels {
  template <typename T, int N, int kPasses>
  static auto kernel() {
    return &forward<T, N, kPasses>;
  }
};

template <typename T>
Fault launch_forward(const Queue &queue, const simcse_embedding_forward &args) {
  const bool aligned =
      aligned16(args.word, args.position, args.type, args.norm.gamma, args.norm.beta, args.out);
  const Forward<T> arguments = {
      device_batch(*args.batch),
      {static_cast<const T *>(args.word), static_cast<const T *>(args.position), static_cast<const T *>(args.type)},
      device_dropout(args.dropout),
      args.hidden,
      1.0f / (float)args.hidden,
      args.norm.gamma,
      args.norm.beta,
      args.norm.epsilon,
      static_cast<T *>(args.out),
      args.mean,
      args.rstd};
  return launch("embedding_forward", row_kernel<ForwardKernels, T>(row_plan(args.dtype, args.hidden, aligned)),
                embedding_forward_geometry(args.batch->tokens), queue.stream, arguments);
}

}  // namespace

Geometry embedding_forward_geometry(int64_t tokens) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(tokens, kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

Fault embedding_forward(const Queue &queue, const simcse_embedding_forward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_forward<bf16>(queue, args) : launch_forward<float>(queue, args);
}

}  // namespace simcse::cuda
