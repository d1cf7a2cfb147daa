// The ladder of dropout_residual_layer_norm, forward and backward: rows (R, H) of a batch. Floor: four activations an
// element each way (forward 2 read and 2 written; backward d_out and the sum read, d_residual and d_x written).
#include "../dropout_residual_layer_norm.hpp"

#include "layer_norm_reference.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr char kForward[] = "dropout_residual_layer_norm_forward", kBackward[] = "dropout_residual_layer_norm_backward";

template <typename T>
struct Plain {
  Batch batch;
  Dropout dropout;
  int hidden;
  T *x;
  const T *residual, *sum, *d_out;
  const float *gamma, *beta;
  T *out, *d_residual, *d_x;
  float *mean, *rstd, *d_gamma, *d_beta;
};

// --- forward ---

template <typename T>
SIMT_DEVICE float summed(const Plain<T> &a, const RowName &name, int64_t i) {
  const bool keep = kept_alone(a.dropout, name, name.position, (int)(i % a.hidden));
  return to_float(a.residual[i]) + (keep ? to_float(a.x[i]) * a.dropout.scale : 0.0f);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) add_dropped(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  a.x[i] = from_float<T>(summed(a, name_row_alone(a.batch, (int)(i / a.hidden)), i));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) statistics(Plain<T> a) {
  const int64_t row = plain_index();
  if (row >= a.batch.rows()) return;
  const T *const x = a.x + row * a.hidden;
  float mean = 0.0f, squares = 0.0f;
  for (int c = 0; c < a.hidden; c++) mean += to_float(x[c]);
  mean /= (float)a.hidden;
  for (int c = 0; c < a.hidden; c++) squares = fmaf(to_float(x[c]) - mean, to_float(x[c]) - mean, squares);
  a.mean[row] = mean;
  a.rstd[row] = 1.0f / sqrtf(squares / (float)a.hidden + (float)kLayerNormEpsilon);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) normalise(Plain<T> a) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  const int64_t row = i / a.hidden;
  const int c = (int)(i % a.hidden);
  a.out[i] = from_float<T>(fmaf((to_float(a.x[i]) - a.mean[row]) * a.rstd[row], a.gamma[c], a.beta[c]));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) block_forward(Plain<T> a) {
  SIMT_SHARED(float, sums, kWarp);
  SIMT_SHARED(float, squares, kWarp);
  const int64_t row = block_x();
  const RowName name = name_row(a.batch, (int)row);
  float total = 0.0f;
  for (int c = thread(); c < a.hidden; c += kPlainThreads) {
    const int64_t i = row * a.hidden + c;
    a.x[i] = from_float<T>(summed(a, name, i));
    total += to_float(a.x[i]);
  }
  const float mean = block_sum(total, sums) / (float)a.hidden;
  total = 0.0f;
  for (int c = thread(); c < a.hidden; c += kPlainThreads) {
    const float x = to_float(a.x[row * a.hidden + c]) - mean;
    total = fmaf(x, x, total);
  }
  const float rstd = 1.0f / sqrtf(block_sum(total, squares) / (float)a.hidden + (float)kLayerNormEpsilon);
  if (thread() == 0) {
    a.mean[row] = mean;
    a.rstd[row] = rstd;
  }
  for (int c = thread(); c < a.hidden; c += kPlainThreads) {
    const int64_t i = row * a.hidden + c;
    a.out[i] = from_float<T>(fmaf((to_float(a.x[i]) - mean) * rstd, a.gamma[c], a.beta[c]));
  }
}

template <typename T>
SIMT_KERNEL(kPlainThreads) warp_forward(Plain<T> a) {
  const int64_t row = plain_index() / kWarp;
  if (row >= a.batch.rows()) return;
  const RowName name = name_row(a.batch, (int)row);
  float total = 0.0f;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const int64_t i = row * a.hidden + c;
    a.x[i] = from_float<T>(summed(a, name, i));
    total += to_float(a.x[i]);
  }
  const float mean = warp_sum(total) / (float)a.hidden;
  total = 0.0f;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const float x = to_float(a.x[row * a.hidden + c]) - mean;
    total = fmaf(x, x, total);
  }
  const float rstd = 1.0f / sqrtf(warp_sum(total) / (float)a.hidden + (float)kLayerNormEpsilon);
  if (lane() == 0) {
    a.mean[row] = mean;
    a.rstd[row] = rstd;
  }
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const int64_t i = row * a.hidden + c;
    a.out[i] = from_float<T>(fmaf((to_float(a.x[i]) - mean) * rstd, a.gamma[c], a.beta[c]));
  }
}

// --- backward ---

// A thread a row: means over it of g = d_out gamma and of g y.
template <typename T>
SIMT_KERNEL(kPlainThreads) means(Plain<T> a, float *mean_g, float *mean_g_y) {
  const int64_t row = plain_index();
  if (row >= a.batch.rows()) return;
  float of_g = 0.0f, of_g_y = 0.0f;
  for (int c = 0; c < a.hidden; c++) {
    const int64_t i = row * a.hidden + c;
    const float g = to_float(a.d_out[i]) * a.gamma[c];
    of_g += g;
    of_g_y = fmaf(g, (to_float(a.sum[i]) - a.mean[row]) * a.rstd[row], of_g_y);
  }
  mean_g[row] = of_g / (float)a.hidden;
  mean_g_y[row] = of_g_y / (float)a.hidden;
}

template <typename T>
SIMT_DEVICE void store_gradients(const Plain<T> &a, const RowName &name, int64_t i, float mean_g, float mean_g_y) {
  const int64_t row = i / a.hidden;
  const int c = (int)(i % a.hidden);
  const float y = (to_float(a.sum[i]) - a.mean[row]) * a.rstd[row];
  const float d = a.rstd[row] * (to_float(a.d_out[i]) * a.gamma[c] - mean_g - y * mean_g_y);
  a.d_residual[i] = from_float<T>(d);
  a.d_x[i] = from_float<T>(kept_alone(a.dropout, name, name.position, c) ? d * a.dropout.scale : 0.0f);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) gradients(Plain<T> a, const float *mean_g, const float *mean_g_y) {
  const int64_t i = plain_index();
  if (i >= (int64_t)a.batch.rows() * a.hidden) return;
  const int row = (int)(i / a.hidden);
  store_gradients(a, name_row_alone(a.batch, row), i, mean_g[row], mean_g_y[row]);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) warp_backward(Plain<T> a) {
  const int64_t row = plain_index() / kWarp;
  if (row >= a.batch.rows()) return;
  const RowName name = name_row(a.batch, (int)row);
  float of_g = 0.0f, of_g_y = 0.0f;
  for (int c = lane(); c < a.hidden; c += kWarp) {
    const int64_t i = row * a.hidden + c;
    const float g = to_float(a.d_out[i]) * a.gamma[c];
    of_g += g;
    of_g_y = fmaf(g, (to_float(a.sum[i]) - a.mean[row]) * a.rstd[row], of_g_y);
  }
  of_g = warp_sum(of_g) / (float)a.hidden;
  of_g_y = warp_sum(of_g_y) / (float)a.hidden;
  for (int c = lane(); c < a.hidden; c += kWarp) store_gradients(a, name, row * a.hidden + c, of_g, of_g_y);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) gamma_gradients(Plain<T> a) {
  add_columns(a.batch.rows(), a.hidden, a.d_gamma, [&](int64_t row, int64_t c) {
    const int64_t i = row * a.hidden + c;
    return to_float(a.d_out[i]) * ((to_float(a.sum[i]) - a.mean[row]) * a.rstd[row]);
  });
}

template <typename T>
SIMT_KERNEL(kPlainThreads) beta_gradients(Plain<T> a) {
  add_columns(a.batch.rows(), a.hidden, a.d_beta,
              [&](int64_t row, int64_t c) { return to_float(a.d_out[row * a.hidden + c]); });
}

// --- the ladder ---

template <typename T>
void run_forward(Ladder &ladder, const Shape &shape) {
  Random random(1);
  Problem p(ladder, kForward, shape);
  const Sentences s(p, shape, random);
  const simcse_dropout dropout = dropout_of(shape, random);
  const int hidden = shape.integer("H");
  const int64_t rows = s.rows(), count = rows * hidden;
  const Host x = Host::random(shape.type(), count, random), residual = Host::random(shape.type(), count, random);
  const Host gamma = Host::random(Type::f32, hidden, random, 1, 1), beta = Host::random(Type::f32, hidden, random);
  const LayerNormForward e = layer_norm_forward_expected(s, dropout, x, residual, gamma, beta);
  Plain<T> a = {};
  a.batch = device_batch(*s.batch());
  a.dropout = device_dropout(dropout);
  a.hidden = hidden;
  a.residual = p.input<T>(residual);
  a.gamma = p.input<float>(gamma);
  a.beta = p.input<float>(beta);
  a.x = p.updated<T>("sum", x, e.sum);
  a.out = p.output<T>("out", count, e.out);
  a.mean = p.output<float>("mean", rows, e.mean);
  a.rstd = p.output<float>("rstd", rows, e.rstd);
  p.floor(4.0 * (double)count * sizeof(T), 0);
  p.rung("unfused", "a kernel each for the sum, the statistics (a thread a row) and the result", [&](const Queue &q) {
    Fault fault = launch(kForward, add_dropped<T>, plain_geometry(count), q.stream, a);
    if (fault == 0) fault = launch(kForward, statistics<T>, plain_geometry(rows), q.stream, a);
    return fault != 0 ? fault : launch(kForward, normalise<T>, plain_geometry(count), q.stream, a);
  });
  p.rung("block", "one kernel, a block a row: what it reads again is in the caches", [&](const Queue &q) {
    return launch(kForward, block_forward<T>, blocks_geometry(rows, kPlainThreads), q.stream, a);
  });
  p.rung("warp", "a warp a row: sums without barriers of a block, eight rows in flight", [&](const Queue &q) {
    return launch(kForward, warp_forward<T>, plain_geometry(rows * kWarp), q.stream, a);
  });
  p.rung("product", "the row in registers, 16 bytes a lane, a call of Philox for four elements", [&](const Queue &q) {
    return dropout_residual_layer_norm_forward(
        q, {sizeof(simcse_dropout_residual_layer_norm_forward), s.batch(), shape.dtype(), hidden, a.x, a.residual,
            {a.gamma, a.beta, (float)kLayerNormEpsilon, 0}, dropout, a.out, a.mean, a.rstd});
  });
  p.climb();
}

template <typename T>
void run_backward(Ladder &ladder, const Shape &shape) {
  Random random(1);
  Problem p(ladder, kBackward, shape);
  const Sentences s(p, shape, random);
  const simcse_dropout dropout = dropout_of(shape, random);
  const int hidden = shape.integer("H");
  const int64_t rows = s.rows(), count = rows * hidden;
  const Host sum = Host::random(shape.type(), count, random), d_out = Host::random(shape.type(), count, random);
  const Host gamma = Host::random(Type::f32, hidden, random, 1, 1), zeros = Host::random(Type::f32, hidden, random, 0);
  const LayerNormBackward e = layer_norm_backward_expected(s, dropout, sum, d_out, gamma);
  Plain<T> a = {};
  a.batch = device_batch(*s.batch());
  a.dropout = device_dropout(dropout);
  a.hidden = hidden;
  a.sum = p.input<T>(sum);
  a.d_out = p.input<T>(d_out);
  a.gamma = p.input<float>(gamma);
  const float *const mean = p.input<float>(e.mean), *const rstd = p.input<float>(e.rstd);
  a.mean = const_cast<float *>(mean);
  a.rstd = const_cast<float *>(rstd);
  a.d_residual = p.output<T>("d_residual", count, e.d_residual);
  a.d_x = p.output<T>("d_x", count, e.d_x);
  a.d_gamma = p.updated<float>("d_gamma", zeros, e.d_gamma);
  a.d_beta = p.updated<float>("d_beta", zeros, e.d_beta);
  float *const mean_g = p.scratch<float>(rows), *const mean_g_y = p.scratch<float>(rows);
  p.queue_scratch(layer_norm_backward_scratch(rows, hidden));
  const auto columns = [&](const Queue &q) {
    const Geometry geometry = blocks_geometry(ceil_divide(hidden, kWarp), kPlainThreads);
    const Fault fault = launch(kBackward, gamma_gradients<T>, geometry, q.stream, a);
    return fault != 0 ? fault : launch(kBackward, beta_gradients<T>, geometry, q.stream, a);
  };
  p.floor(4.0 * (double)count * sizeof(T), 0);
  p.rung("unfused", "a kernel each for means of rows, gradients, and sums of columns", [&](const Queue &q) {
    Fault fault = launch(kBackward, means<T>, plain_geometry(rows), q.stream, a, mean_g, mean_g_y);
    if (fault == 0) {
      fault = launch(kBackward, gradients<T>, plain_geometry(count), q.stream, a, (const float *)mean_g,
                     (const float *)mean_g_y);
    }
    return fault != 0 ? fault : columns(q);
  });
  p.rung("warp", "a warp a row for means and gradients: what it reads again is in the caches", [&](const Queue &q) {
    const Fault fault = launch(kBackward, warp_backward<T>, plain_geometry(rows * kWarp), q.stream, a);
    return fault != 0 ? fault : columns(q);
  });
  p.rung("product", "the row in registers, sums of columns too: all pass memory once", [&](const Queue &q) {
    return dropout_residual_layer_norm_backward(
        q, {sizeof(simcse_dropout_residual_layer_norm_backward), s.batch(), shape.dtype(), hidden, a.d_out, a.sum, mean,
            rstd, {a.gamma, a.gamma, (float)kLayerNormEpsilon, 0}, dropout, a.d_residual, a.d_x, a.d_gamma, a.d_beta});
  });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  if (shape.dtype() == SIMCSE_BF16) {
    run_forward<bf16>(ladder, shape);
    run_backward<bf16>(ladder, shape);
  } else {
    run_forward<float>(ladder, shape);
    run_backward<float>(ladder, shape);
  }
}

const Program kProgram = {{"f32 T=9 H=31", "bf16 T=12 H=264 views=2", "bf16 T=5 H=768 keep=50"},
                          {"bf16 T=1024 H=768 views=2", "bf16 T=12288 H=384 views=2", "bf16 T=12288 H=768 views=2",
                           "bf16 T=12288 H=1024 views=2", "bf16 T=65536 H=768", "f32 T=12288 H=768 views=2"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
