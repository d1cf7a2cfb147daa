// The loss from a library's products: cuBLASLt multiplies panels of vectors, and kernels between its calls make running
// sums or gradients of their logits. Where there is no cuBLASLt, products are by gemm.cu.
#pragma once

#include "../gemm.hpp"
#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

constexpr int kPanelRows = 2048, kPanelColumns = 4096;  // 32 MB of f32, which stay in L2; two turns of 132 tiles

template <typename T>
struct Plain {
  int hidden;
  int64_t n, m;
  const T *queries, *keys;
  const int32_t *targets;
  float inverse_temperature, bias;
  int64_t own_offset;
  float *lse, *query_norm, *key_norm;
  float gradient_scale;  // loss_scale / N / temperature
  T *d_queries, *d_keys;

  SIMT_DEVICE float logit(float product, int64_t i, int64_t j) const {
    return product / (query_norm[i] * key_norm[j]) * inverse_temperature + (j == own_offset + i ? bias : 0.0f);
  }
  SIMT_DEVICE float gradient(float product, int64_t i, int64_t j) const {
    return gradient_scale * (expf(logit(product, i, j) - lse[i]) - (j == targets[i] ? 1.0f : 0.0f));
  }
};

template <typename T>
SIMT_DEVICE float dot_alone(const T *x, const T *y, int hidden) {
  float sum = 0.0f;
  for (int c = 0; c < hidden; c++) sum = fmaf(to_float(x[c]), to_float(y[c]), sum);
  return sum;
}

template <typename T>
SIMT_DEVICE float dot_of_warp(const T *x, const T *y, int hidden, Site at = Site::here()) {
  float sum = 0.0f;
  for (int c = lane(); c < hidden; c += kWarp) sum = fmaf(to_float(x[c]), to_float(y[c]), sum);
  return warp_sum(sum, at);
}

// A warp a vector, the keys' after the queries'.
template <typename T>
SIMT_KERNEL(kPlainThreads) norms(Plain<T> a) {
  const int64_t i = plain_index() / kWarp;
  if (i >= a.n + a.m) return;
  const T *const x = i < a.n ? a.queries + i * a.hidden : a.keys + (i - a.n) * a.hidden;
  const float norm = sqrtf(dot_of_warp(x, x, a.hidden));
  if (lane() == 0) *(i < a.n ? a.query_norm + i : a.key_norm + (i - a.n)) = norm;
}


// A panel of products of queries from i0 on and keys from j0 on.
struct ProductPanel {
  const float *products;  // (rows, columns)
  int64_t i0, j0;
  int rows, columns;
};

// A warp a row, onto the running sums of the panels before: best, total, logit of the target.
template <typename T>
SIMT_KERNEL(kPlainThreads) add_panel(Plain<T> a, ProductPanel panel, float *sums) {
  const int64_t row = plain_index() / kWarp;
  if (row >= panel.rows) return;
  const int64_t i = panel.i0 + row;
  const float *const products = panel.products + row * panel.columns;
  float best = lane() == 0 && panel.j0 > 0 ? sums[i] : -INFINITY;
  float total = lane() == 0 && panel.j0 > 0 ? sums[a.n + i] : 0.0f;
  for (int j = lane(); j < panel.columns; j += kWarp) {
    const float s = a.logit(products[j], i, panel.j0 + j);
    if (panel.j0 + j == a.targets[i]) sums[2 * a.n + i] = s;
    const float next = fmaxf(best, s);
    total = fmaf(total, expf(best - next), expf(s - next));
    best = next;
  }
  const float most = warp_max(best);
  total = warp_sum(best == -INFINITY ? 0.0f : total * expf(best - most));
  if (lane() > 0) return;
  sums[i] = most;
  sums[a.n + i] = total;
  if (panel.j0 + panel.columns == a.m) a.lse[i] = most + logf(total);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) panel_losses(Plain<T> a, const float *sums, float *losses) {
  const int64_t i = plain_index();
  if (i < a.n) losses[i] = a.lse[i] - sums[2 * a.n + i];
}

// Gradients of products, a thread each.
template <typename T>
SIMT_KERNEL(kPlainThreads) panel_gradients(Plain<T> a, ProductPanel panel, T *to) {
  const int64_t at = plain_index();
  if (at >= (int64_t)panel.rows * panel.columns) return;
  const int64_t i = panel.i0 + at / panel.columns, j = panel.j0 + at % panel.columns;
  to[at] = from_float<T>(a.gradient(panel.products[at], i, j) / (a.query_norm[i] * a.key_norm[j]));
}

// A warp a vector.
template <typename T>
SIMT_KERNEL(kPlainThreads) sums_through_normalisation(const T *x, const float *norm, const float *sums, int hidden,
                                                      int64_t count, T *to) {
  const int64_t row = plain_index() / kWarp;
  if (row >= count) return;
  const int64_t at = row * hidden;
  float along = 0.0f;
  for (int c = lane(); c < hidden; c += kWarp) along = fmaf(to_float(x[at + c]) / norm[row], sums[at + c], along);
  along = warp_sum(along);
  for (int c = lane(); c < hidden; c += kWarp) {
    to[at + c] = from_float<T>(sums[at + c] - to_float(x[at + c]) / norm[row] * along);
  }
}

template <typename T>
class PanelProducts {
 public:
  PanelProducts(plugin::CublasLt *library, const Plain<T> &a, Problem &p) : library_(library), a_(a) {
    const int64_t rows = a.n < kPanelRows ? a.n : kPanelRows, columns = a.m < kPanelColumns ? a.m : kPanelColumns;
    products_ = p.scratch<float>(rows * columns);
    if (a.d_queries == nullptr) {
      sums_ = p.scratch<float>(3 * a.n);
    } else {
      gradients_ = p.scratch<T>(rows * columns);
      query_sums_ = p.scratch<float>(a.n * a.hidden);
      key_sums_ = p.scratch<float>(a.m * a.hidden);
    }
    p.queue_scratch(plugin::CublasLt::scratch(product(false, rows, columns, a.hidden)));
  }

  Fault forward(const char *name, const Queue &queue, float *losses) const {
    const Fault fault = each_panel(queue, [&](const ProductPanel &panel) {
      return launch(name, add_panel<T>, plain_geometry((int64_t)panel.rows * kWarp), queue.stream, a_, panel, sums_);
    });
    if (fault != 0) return fault;
    return launch(name, panel_losses<T>, plain_geometry(a_.n), queue.stream, a_, (const float *)sums_, losses);
  }

  Fault backward(const char *name, const Queue &queue) const {
    Fault fault = each_panel(queue, [&](const ProductPanel &panel) { return add_gradients(name, queue, panel); });
    if (fault == 0) fault = finish(name, queue, a_.queries, a_.query_norm, query_sums_, a_.n, a_.d_queries);
    return fault != 0 ? fault : finish(name, queue, a_.keys, a_.key_norm, key_sums_, a_.m, a_.d_keys);
  }

 private:
  // C, of f32, or onto it.
  simcse_gemm product(bool add, int64_t m, int64_t n, int64_t k) const {
    simcse_gemm g = {};
    g.struct_size = sizeof g;
    g.dtype = sizeof(T) == 2 ? SIMCSE_BF16 : SIMCSE_F32;
    g.c_dtype = SIMCSE_F32;
    g.epilogue = add ? SIMCSE_EPILOGUE_ACCUMULATE : SIMCSE_EPILOGUE_STORE;
    g.m = m, g.n = n, g.k = k;
    return g;
  }
  Fault multiply(const Queue &queue, simcse_gemm g, const void *x, const void *y, float *c) const {
    g.a = x, g.b = y, g.c = c;
    return library_ == nullptr ? gemm(queue, g) : library_->gemm(queue, g);
  }

  template <typename Take>
  Fault each_panel(const Queue &queue, const Take &take) const {
    for (int64_t i0 = 0; i0 < a_.n; i0 += kPanelRows) {
      for (int64_t j0 = 0; j0 < a_.m; j0 += kPanelColumns) {
        const ProductPanel panel = {products_, i0, j0, (int)(a_.n - i0 < kPanelRows ? a_.n - i0 : kPanelRows),
                                    (int)(a_.m - j0 < kPanelColumns ? a_.m - j0 : kPanelColumns)};
        simcse_gemm g = product(false, panel.rows, panel.columns, a_.hidden);
        g.transpose_b = 1;
        Fault fault = multiply(queue, g, a_.queries + i0 * a_.hidden, a_.keys + j0 * a_.hidden, products_);
        if (fault == 0) fault = take(panel);
        if (fault != 0) return fault;
      }
    }
    return 0;
  }

  Fault add_gradients(const char *name, const Queue &queue, const ProductPanel &panel) const {
    const Geometry all = plain_geometry((int64_t)panel.rows * panel.columns);
    Fault fault = launch(name, panel_gradients<T>, all, queue.stream, a_, panel, gradients_);
    if (fault != 0) return fault;
    fault = multiply(queue, product(panel.j0 > 0, panel.rows, a_.hidden, panel.columns), gradients_,
                     a_.keys + panel.j0 * a_.hidden, query_sums_ + panel.i0 * a_.hidden);
    if (fault != 0) return fault;
    simcse_gemm g = product(panel.i0 > 0, panel.columns, a_.hidden, panel.rows);
    g.transpose_a = 1;
    return multiply(queue, g, gradients_, a_.queries + panel.i0 * a_.hidden, key_sums_ + panel.j0 * a_.hidden);
  }

  Fault finish(const char *name, const Queue &queue, const T *x, const float *norm, const float *sums, int64_t count,
               T *to) const {
    return launch(name, sums_through_normalisation<T>, plain_geometry(count * kWarp), queue.stream, x, norm, sums,
                  a_.hidden, count, to);
  }

  plugin::CublasLt *const library_;
  const Plain<T> &a_;
  float *products_ = nullptr, *sums_ = nullptr, *query_sums_ = nullptr, *key_sums_ = nullptr;
  T *gradients_ = nullptr;
};

}  // namespace simcse::cuda::dev
