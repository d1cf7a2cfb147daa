// Forward and replay: a warp a row; see row.hpp for how its columns are spread.
#include "dropout_residual_layer_norm.hpp"

#include "batch.hpp"
#include "philox.hpp"
#include "row.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 4;

// --- forward ---

template <typename T>
struct Forward {
  Batch batch;
  Dropout dropout;
  int hidden;
  float inverse_hidden;
  T *x;
  const T *residual;
  const float *gamma, *beta;
  float epsilon;
  T *out;
  float *mean, *rstd;
};

template <typename T, int N, int kPasses>
SIMT_KERNEL(kWarps *kWarp) forward(Forward<T> a) {
  const int row = block_x() * kWarps + warp();
  if (row >= a.batch.rows()) return;
  const int passes = passes_of<N, kPasses>(a.hidden);
  T *const x = a.x + (int64_t)row * a.hidden;
  T *const out = a.out + (int64_t)row * a.hidden;
  const T *const residual = a.residual == nullptr ? nullptr : a.residual + (int64_t)row * a.hidden;

  // Loads that are on their way while the row's sentence is looked up.
  Pack<T, N> sum[kHeld<kPasses>], other[kHeld<kPasses>];
  if constexpr (kPasses > 0) {
    SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
      if (column<N>(i) >= a.hidden) continue;
      sum[i].load(x + column<N>(i));
      if (residual != nullptr) other[i].load(residual + column<N>(i));
    }
  }
  MaskRow mask = {};
  if (a.dropout.active) {
    const RowName name = name_row(a.batch, row);
    mask = mask_row(a.dropout, name.position, name.sample, name.view);
  }

  float total = 0.0f;
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    Pack<T, N> &pack = sum[held<kPasses>(i)];
    Pack<T, N> &added = other[held<kPasses>(i)];
    if constexpr (kPasses == 0) {
      pack.load(x + c);
      if (residual != nullptr) added.load(residual + c);
    }
    float s[N];
    pack.get(s);
    if (residual != nullptr) {
      float r[N];
      added.get(r);
      uint32_t words[N];
      mask_words(a.dropout, mask, c, words);
      SIMT_UNROLL for (int k = 0; k < N; k++) {
        s[k] = words[k] < a.dropout.threshold ? fmaf(s[k], a.dropout.scale, r[k]) : r[k];
      }
      pack.set(s);
      pack.get(s);  // as it was rounded: replay and the backward pass start from that
      pack.store(x + c);
    }
    SIMT_UNROLL for (int k = 0; k < N; k++) total += s[k];
  }
  const float mean = warp_sum(total) * a.inverse_hidden;

  float squares = 0.0f;
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    Pack<T, N> &pack = sum[held<kPasses>(i)];
    if constexpr (kPasses == 0) pack.load(x + c);
    float s[N];
    pack.get(s);
    SIMT_UNROLL for (int k = 0; k < N; k++) squares = fmaf(s[k] - mean, s[k] - mean, squares);
  }
  const float rstd = rsqrt_fast(warp_sum(squares) * a.inverse_hidden + a.epsilon);
  if (lane() == 0) {
    a.mean[row] = mean;
    a.rstd[row] = rstd;
  }

  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    Pack<T, N> &pack = sum[held<kPasses>(i)];
    if constexpr (kPasses == 0) pack.load(x + c);
    float s[N], gamma[N], beta[N];
    pack.get(s);
    load_floats(gamma, a.gamma + c);
    load_floats(beta, a.beta + c);
    SIMT_UNROLL for (int k = 0; k < N; k++) s[k] = normalised(s[k], mean, rstd, gamma[k], beta[k]);
    pack.set(s);
    pack.store(out + c);
  }
}

struct ForwardKernels {
  template <typename T, int N, int kPasses>
  static auto kernel() {
    return &forward<T, N, kPasses>;
  }
};

// --- replay ---

template <typename T>
struct Replay {
  int rows, hidden;
  const T *sum;
  const float *mean, *rstd, *gamma, *beta;
  T *out;
};

template <typename T, int N, int kPasses>
SIMT_KERNEL(kWarps *kWarp) replay(Replay<T> a) {
  const int row = block_x() * kWarps + warp();
  if (row >= a.rows) return;
  const int passes = passes_of<N, kPasses>(a.hidden);
  const T *const sum = a.sum + (int64_t)row * a.hidden;
  T *const out = a.out + (int64_t)row * a.hidden;
  Pack<T, N> packs[kHeld<kPasses>];
  if constexpr (kPasses > 0) {
    SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
      if (column<N>(i) < a.hidden) packs[i].load(sum + column<N>(i));
    }
  }
  const float mean = a.mean[row];
  const float rstd = a.rstd[row];
  SIMT_UNROLL for (int i = 0; i < passes; i++) {
    const int c = column<N>(i);
    if (c >= a.hidden) continue;
    Pack<T, N> &pack = packs[held<kPasses>(i)];
    if constexpr (kPasses == 0) pack.load(sum + c);
    float s[N], gamma[N], beta[N];
    pack.get(s);
    load_floats(gamma, a.gamma + c);
    load_floats(beta, a.beta + c);
    SIMT_UNROLL for (int k = 0; k < N; k++) s[k] = normalised(s[k], mean, rstd, gamma[k], beta[k]);
    pack.set(s);
    pack.store(out + c);
  }
}

struct ReplayKernels {
  template <typename T, int N, int kPasses>
  static auto kernel() {
    return &replay<T, N, kPasses>;
  }
};

// --- host ---

template <typename T>
Fault launch_forward(const Queue &queue, const simcse_dropout_residual_layer_norm_forward &args) {
  const bool aligned = aligned16(args.x, args.residual, args.norm.gamma, args.norm.beta, args.out);
  const Forward<T> forward = {device_batch(*args.batch),
                              device_dropout(args.dropout),
                              args.hidden,
                              1.0f / (float)args.hidden,
                              static_cast<T *>(args.x),
                              static_cast<const T *>(args.residual),
                              args.norm.gamma,
                              args.norm.beta,
                              args.norm.epsilon,
                              static_cast<T *>(args.out),
                              args.mean,
                              args.rstd};
  return launch("dropout_residual_layer_norm_forward",
                row_kernel<ForwardKernels, T>(row_plan(args.dtype, args.hidden, aligned)),
                layer_norm_forward_geometry(rows_of(*args.batch)), queue.stream, forward);
}

template <typename T>
Fault launch_replay(const Queue &queue, const simcse_layer_norm_replay &args) {
  const bool aligned = aligned16(args.sum, args.norm.gamma, args.norm.beta, args.out);
  const Replay<T> arguments = {(int)args.rows,
                               args.hidden,
                               static_cast<const T *>(args.sum),
                               args.mean,
                               args.rstd,
                               args.norm.gamma,
                               args.norm.beta,
                               static_cast<T *>(args.out)};
  return launch("layer_norm_replay", row_kernel<ReplayKernels, T>(row_plan(args.dtype, args.hidden, aligned)),
                layer_norm_forward_geometry(args.rows), queue.stream, arguments);
}

}  // namespace

Geometry layer_norm_forward_geometry(int64_t rows) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(rows, kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

Fault dropout_residual_layer_norm_forward(const Queue &queue, const simcse_dropout_residual_layer_norm_forward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_forward<bf16>(queue, args) : launch_forward<float>(queue, args);
}

Fault layer_norm_replay(const Queue &queue, const simcse_layer_norm_replay &args) {
  return args.dtype == SIMCSE_BF16 ? launch_replay<bf16>(queue, args) : launch_replay<float>(queue, args);
}

}  // namespace simcse::cuda
