// out = layer_norm(residual + dropout(x)) over rows of H (Ba et al. 2016; Vaswani et al. 2017), its replay from kept
// statistics and its gradients. A row is read once: its later passes find it in the first-level cache.
#include "norm_row.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// x = residual + dropout(x) in its type; returns the sum of the row as it is stored.
template <typename T>
SIMCSE_INLINE float add_residual(T *x, const T *residual, int hidden, const HiddenDropout &dropout,
                                 const MaskRow &mask) {
  BlockSums total;
  each_masked_vector(hidden, dropout, mask, [&](int c, int n, int j, F factor) __attribute__((always_inline)) {
    store_at(x + c, fma(load_at(x + c, n), factor, load_at(residual + c, n)), n);
    total.of[j] = total.of[j] + load_at(x + c, n);
  });
  return total.total();
}

template <typename T>
SIMCSE_INLINE float row_sum(const T *x, int hidden) {
  BlockSums total;
  each_vector(hidden, [&](int c, int n, int j) __attribute__((always_inline)) {
    total.of[j] = total.of[j] + load_at(x + c, n);
  });
  return total.total();
}

template <typename T>
static void forward(Context &context, const simcse_dropout_residual_layer_norm_forward &a) {
  const HiddenDropout dropout(a.dropout);
  const int hidden = a.hidden;
  const Chunks chunks((int64_t)a.batch->views * a.batch->tokens);
  parallel(context, chunks.count, [&](int64_t task, int) {
    RowCursor cursor(*a.batch, chunks.begin(task));
    for (int64_t row = chunks.begin(task); row < chunks.end(task); row++, cursor.next()) {
      T *x = (T *)a.x + row * hidden;
      float sum = a.residual == nullptr
                      ? row_sum(x, hidden)
                      : add_residual(x, (const T *)a.residual + row * hidden, hidden, dropout, cursor.mask_row());
      RowNorm norm = measure(x, hidden, sum, a.norm.epsilon);
      a.mean[row] = norm.mean;
      a.rstd[row] = norm.rstd;
      normalise(x, hidden, norm, a.norm, (T *)a.out + row * hidden);
    }
  });
}

template <typename T>
static void replay(Context &context, const simcse_layer_norm_replay &a) {
  const Chunks chunks(a.rows);
  parallel(context, chunks.count, [&](int64_t task, int) {
    for (int64_t row = chunks.begin(task); row < chunks.end(task); row++) {
      RowNorm norm = {a.mean[row], a.rstd[row]};
      normalise((const T *)a.sum + row * a.hidden, a.hidden, norm, a.norm, (T *)a.out + row * a.hidden);
    }
  });
}

// d_residual = the gradient of the sum, d_x the same through the dropout. Reads a place before it writes it: d_residual
// may be d_out and d_x may be sum.
template <typename T>
SIMCSE_INLINE void backward_row(const simcse_dropout_residual_layer_norm_backward &a, int64_t row,
                                const HiddenDropout &dropout, const MaskRow &mask, float *d_gamma, float *d_beta) {
  const int hidden = a.hidden;
  const T *d_out = (const T *)a.d_out + row * hidden;
  const T *sum = (const T *)a.sum + row * hidden;
  T *d_residual = (T *)a.d_residual + row * hidden;
  T *d_x = (T *)a.d_x + row * hidden;
  const RowNorm norm = {a.mean[row], a.rstd[row]};
  const RowMeans means = gradient_means(d_out, sum, hidden, norm, a.norm.gamma, d_gamma, d_beta);
  each_masked_vector(hidden, dropout, mask, [&](int c, int n, int, F factor) __attribute__((always_inline)) {
    F d = gradient(load_at(d_out + c, n), load_at(sum + c, n), load_at(a.norm.gamma + c, n), norm, means);
    store_at(d_residual + c, d, n);
    store_at(d_x + c, d * factor, n);
  });
}

template <typename T>
static void backward(Context &context, const simcse_dropout_residual_layer_norm_backward &a) {
  const HiddenDropout dropout(a.dropout);
  const Chunks chunks((int64_t)a.batch->views * a.batch->tokens);
  const int64_t stride = partial_stride(a.hidden);
  float *partials = (float *)context.shared((size_t)(chunks.count * 2 * stride) * sizeof(float));
  parallel(context, chunks.count, [&](int64_t task, int) {
    float *d_gamma = partials + task * 2 * stride;
    float *d_beta = d_gamma + stride;
    memset(d_gamma, 0, (size_t)(2 * stride) * sizeof(float));
    RowCursor cursor(*a.batch, chunks.begin(task));
    for (int64_t row = chunks.begin(task); row < chunks.end(task); row++, cursor.next()) {
      backward_row<T>(a, row, dropout, cursor.mask_row(), d_gamma, d_beta);
    }
  });
  add_partials(partials, chunks.count, 2 * stride, a.hidden, a.d_gamma);
  add_partials(partials + stride, chunks.count, 2 * stride, a.hidden, a.d_beta);
}

void dropout_residual_layer_norm_forward(Context &context, const simcse_dropout_residual_layer_norm_forward &a) {
  a.dtype == SIMCSE_BF16 ? forward<bf16>(context, a) : forward<float>(context, a);
}

void layer_norm_replay(Context &context, const simcse_layer_norm_replay &a) {
  a.dtype == SIMCSE_BF16 ? replay<bf16>(context, a) : replay<float>(context, a);
}

void dropout_residual_layer_norm_backward(Context &context, const simcse_dropout_residual_layer_norm_backward &a) {
  a.dtype == SIMCSE_BF16 ? backward<bf16>(context, a) : backward<float>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
