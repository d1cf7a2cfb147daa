// Backward: a warp a row, and blocks that add up d_gamma and d_beta over the rows they take.
#include "batch.hpp"
#include "dropout_residual_layer_norm.hpp"
#include "partial_sums.hpp"
#include "philox.hpp"
#include "row.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kParts = 256;  // at most: two blocks on each of the 128 to 132 multiprocessors of large GPUs

template <typename T>
struct Backward {
  Batch batch;
  Dropout dropout;
  int hidden;
  float inverse_hidden;
  const T *d_out;
  const T *sum;
  const float *mean, *rstd, *gamma;
  T *d_residual;
  T *d_x;
  float *partials;  // (blocks, 2, H), of d_gamma and d_beta
};

// Adds up the warps' sums of d_gamma and d_beta, the upper half onto the lower until one is left, and stores them.
// Dynamic shared memory: kWarps / 2 times 2 H floats.
template <int N, int kPasses>
SIMT_DEVICE void store_part(float (&d_gamma)[kPasses][N], float (&d_beta)[kPasses][N], int hidden, float *part) {
  float *const shared = dynamic_shared<float>();
  SIMT_UNROLL for (int half = kWarps / 2; half > 0; half /= 2) {
    float *const mine = shared + (int64_t)(warp() % half) * 2 * hidden;
    if (warp() >= half && warp() < 2 * half) {
      SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
        if (column<N>(i) >= hidden) continue;
        store_floats(mine + column<N>(i), d_gamma[i]);
        store_floats(mine + hidden + column<N>(i), d_beta[i]);
      }
    }
    sync_block();
    if (warp() < half) {
      SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
        if (column<N>(i) >= hidden) continue;
        float x[N];
        load_floats(x, mine + column<N>(i));
        SIMT_UNROLL for (int k = 0; k < N; k++) d_gamma[i][k] += x[k];
        load_floats(x, mine + hidden + column<N>(i));
        SIMT_UNROLL for (int k = 0; k < N; k++) d_beta[i][k] += x[k];
      }
    }
    sync_block();
  }
  if (warp() > 0) return;
  SIMT_UNROLL for (int i = 0; i < kPasses; i++) {
    if (column<N>(i) >= hidden) continue;
    store_floats(part + column<N>(i), d_gamma[i]);
    store_floats(part + hidden + column<N>(i), d_beta[i]);
  }
}

// d(sum) = rstd (g - mean(g) - y mean(g y)) with y = (sum - mean) rstd and g = d_out gamma.
template <typename T, int N, int kPasses>
SIMT_KERNEL(kWarps *kWarp, kPasses * N * sizeof(T) > 96 ? 1 : 2) backward(Backward<T> a) {
  const int passes = passes_of<N, kPasses>(a.hidden);
  float d_gamma[kHeld<kPasses>][N] = {}, d_beta[kHeld<kPasses>][N] = {};
  Pack<T, N> d_out[kHeld<kPasses>], sum[kHeld<kPasses>];
  const auto take = [&](int row, int i) {
    if (row >= a.batch.rows() || column<N>(i) >= a.hidden) return;
    d_out[i].load(a.d_out + (int64_t)row * a.hidden + column<N>(i));
    sum[i].load(a.sum + (int64_t)row * a.hidden + column<N>(i));
  };
  int row = block_x() * kWarps + warp();
  if constexpr (kPasses > 0) {
    SIMT_UNROLL for (int i = 0; i < kPasses; i++) take(row, i);
  }
  for (; row < a.batch.rows(); row += grid_x() * kWarps) {
    const int64_t start = (int64_t)row * a.hidden;
    const float mean = a.mean[row];
    const float rstd = a.rstd[row];
    MaskRow mask = {};
    if (a.dropout.active) {
      const RowName name = name_row(a.batch, row);
      mask = mask_row(a.dropout, name.position, name.sample, name.view);
    }

    float of_g = 0.0f, of_g_y = 0.0f;
    SIMT_UNROLL for (int i = 0; i < passes; i++) {
      const int c = column<N>(i);
      if (c >= a.hidden) continue;
      const int h = held<kPasses>(i);
      if constexpr (kPasses == 0) {
        d_out[h].load(a.d_out + start + c);
        sum[h].load(a.sum + start + c);
      }
      float d[N], y[N], gamma[N];
      d_out[h].get(d);
      sum[h].get(y);
      load_floats(gamma, a.gamma + c);
      SIMT_UNROLL for (int k = 0; k < N; k++) {
        y[k] = (y[k] - mean) * rstd;
        of_g = fmaf(d[k], gamma[k], of_g);
        of_g_y = fmaf(d[k] * gamma[k], y[k], of_g_y);
        if constexpr (kPasses > 0) {
          d_gamma[h][k] = fmaf(d[k], y[k], d_gamma[h][k]);
          d_beta[h][k] += d[k];
        }
      }
    }
    const float mean_g = warp_sum(of_g) * a.inverse_hidden;
    const float slope = -rstd * (warp_sum(of_g_y) * a.inverse_hidden);

    SIMT_UNROLL for (int i = 0; i < passes; i++) {
      const int c = column<N>(i);
      if (c >= a.hidden) continue;
      const int h = held<kPasses>(i);
      if constexpr (kPasses == 0) {
        d_out[h].load(a.d_out + start + c);
        sum[h].load(a.sum + start + c);
      }
      float d[N], sums[N], gamma[N];
      d_out[h].get(d);
      sum[h].get(sums);
      load_floats(gamma, a.gamma + c);
      SIMT_UNROLL for (int k = 0; k < N; k++) {
        // The product is rounded first, as in the sums: fused with the difference it would leave what rounding lost.
        const float g = fmaf(d[k], gamma[k], 0.0f);
        d[k] = rstd * fmaf(sums[k] - mean, slope, g - mean_g);
      }
      d_out[h].set(d);
      d_out[h].store(a.d_residual + start + c);
      if (a.dropout.active) {
        uint32_t words[N];
        mask_words(a.dropout, mask, c, words);
        SIMT_UNROLL for (int k = 0; k < N; k++) d[k] = words[k] < a.dropout.threshold ? d[k] * a.dropout.scale : 0.0f;
        d_out[h].set(d);
      }
      d_out[h].store(a.d_x + start + c);
      // The next row's, into registers that are free from here on, is on its way during the rest of this one.
      if constexpr (kPasses > 0) take(row + grid_x() * kWarps, i);
    }
  }
  if constexpr (kPasses > 0) {
    store_part<N, kPasses>(d_gamma, d_beta, a.hidden, a.partials + (int64_t)block_x() * 2 * a.hidden);
  }
}

struct BackwardKernels {
  template <typename T, int N, int kPasses>
  static auto kernel() {
    return &backward<T, N, kPasses>;
  }
};

// The parts of d_gamma and d_beta where rows are too wide for registers: a block takes 32 columns and every grid_y()-th
// group of kWarps rows, a lane a column.
template <typename T>
SIMT_KERNEL(kWarps *kWarp) column_parts(Backward<T> a) {
  using Columns = float[2][kWarp];
  SIMT_SHARED(Columns, sums, kWarps);
  const int c = block_x() * kWarp + lane();
  float d_gamma = 0.0f, d_beta = 0.0f;
  if (c < a.hidden) {
    for (int row = block_y() * kWarps + warp(); row < a.batch.rows(); row += grid_y() * kWarps) {
      const float d = to_float(a.d_out[(int64_t)row * a.hidden + c]);
      const float s = to_float(a.sum[(int64_t)row * a.hidden + c]);
      d_gamma = fmaf(d, (s - a.mean[row]) * a.rstd[row], d_gamma);
      d_beta += d;
    }
  }
  sums[warp()][0][lane()] = d_gamma;
  sums[warp()][1][lane()] = d_beta;
  sync_block();
  if (warp() >= 2 || c >= a.hidden) return;
  float sum = sums[0][warp()][lane()];
  SIMT_UNROLL for (int i = 1; i < kWarps; i++) sum += sums[i][warp()][lane()];
  a.partials[((int64_t)block_y() * 2 + warp()) * a.hidden + c] = sum;
}

// --- host ---

template <typename T>
Fault launch_backward(const Queue &queue, const simcse_dropout_residual_layer_norm_backward &args) {
  const int64_t rows = rows_of(*args.batch);
  const bool aligned = aligned16(args.d_out, args.sum, args.norm.gamma, args.d_residual, args.d_x);
  const RowPlan plan = row_plan(args.dtype, args.hidden, aligned);
  const int parts = layer_norm_parts(rows);
  float *const partials = static_cast<float *>(queue.scratch);
  const Backward<T> arguments = {device_batch(*args.batch),
                                 device_dropout(args.dropout),
                                 args.hidden,
                                 1.0f / (float)args.hidden,
                                 static_cast<const T *>(args.d_out),
                                 static_cast<const T *>(args.sum),
                                 args.mean,
                                 args.rstd,
                                 args.norm.gamma,
                                 static_cast<T *>(args.d_residual),
                                 static_cast<T *>(args.d_x),
                                 partials};
  Fault fault = 0;
  if (plan.passes == 0) {  // before `backward`, which may overwrite what is read here
    Geometry geometry;
    geometry.x = (unsigned)ceil_divide(args.hidden, kWarp);
    geometry.y = (unsigned)parts;
    geometry.threads = kWarps * kWarp;
    fault = launch("dropout_residual_layer_norm_backward", column_parts<T>, geometry, queue.stream, arguments);
  }
  if (fault == 0) {
    fault = launch("dropout_residual_layer_norm_backward", row_kernel<BackwardKernels, T>(plan),
                   layer_norm_backward_geometry(rows, args.hidden, plan.passes), queue.stream, arguments);
  }
  if (fault == 0) fault = add_partials(queue, partials, parts, args.hidden, args.d_gamma, args.d_beta);
  return fault;
}

}  // namespace

int layer_norm_parts(int64_t rows) {
  const int64_t blocks = ceil_divide(rows, kWarps);
  return (int)(blocks < kParts ? blocks : kParts);
}

Geometry layer_norm_backward_geometry(int64_t rows, int hidden, int passes) {
  Geometry geometry;
  geometry.x = passes > 0 ? (unsigned)layer_norm_parts(rows) : (unsigned)ceil_divide(rows, kWarps);
  geometry.threads = kWarps * kWarp;
  if (passes > 0) geometry.shared = (unsigned)(kWarps / 2 * 2 * hidden * (int)sizeof(float));
  return geometry;
}

int64_t layer_norm_backward_scratch(int64_t rows, int hidden) {
  return (int64_t)layer_norm_parts(rows) * 2 * hidden * (int64_t)sizeof(float);
}

Fault dropout_residual_layer_norm_backward(const Queue &queue,
                                           const simcse_dropout_residual_layer_norm_backward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_backward<bf16>(queue, args) : launch_backward<float>(queue, args);
}

}  // namespace simcse::cuda
