// One vector a sentence and view from the vectors of its tokens, times a weight: the first, the mean, or the largest
// channel by channel; and the gradients. A task has one sentence under one view, whose rows no other task touches.
#include "operations.hpp"
#include "rows.hpp"

namespace simcse::cpu::SIMCSE_TIER {

// The rows of x that make one embedding.
struct Rows {
  int64_t first;
  int count;

  Rows(const simcse_batch &batch, int64_t embedding) {
    int32_t sentence = (int32_t)(embedding % batch.sentences);
    first = embedding / batch.sentences * batch.tokens + batch.cu_seqlens[sentence];
    count = batch.cu_seqlens[sentence + 1] - batch.cu_seqlens[sentence];
  }
};

template <typename T>
SIMCSE_INLINE F mean(const T *x, int64_t hidden, int rows, int n) {
  F total = zero();
  for (int row = 0; row < rows; row++) total = total + load_at(x + row * hidden, n);
  return total / splat((float)rows);
}

// The largest, and at *argmax the first row that has it.
template <typename T>
SIMCSE_INLINE F largest(const T *x, int64_t hidden, const Rows &rows, int n, int32_t *argmax) {
  F most = load_at(x, n);
  F at = as_floats(splat_u((uint32_t)rows.first));
  for (int row = 1; row < rows.count; row++) {
    F candidate = load_at(x + row * hidden, n);
    M larger = most < candidate;
    most = select(larger, candidate, most);
    at = select(larger, as_floats(splat_u((uint32_t)(rows.first + row))), at);
  }
  store_at((float *)argmax, at, n);
  return most;
}

template <typename T, typename Out>
static void forward(Context &context, const simcse_pooling_forward &a) {
  const int64_t hidden = a.hidden;
  parallel(context, (int64_t)a.batch->views * a.batch->sentences, [&](int64_t embedding, int) {
    const Rows rows(*a.batch, embedding);
    const T *x = (const T *)a.x + rows.first * hidden;
    Out *out = (Out *)a.out + embedding * hidden;
    each_vector(a.hidden, [&](int c, int n, int) __attribute__((always_inline)) {
      F pooled;
      if (a.mode == SIMCSE_POOLING_CLS) {
        pooled = load_at(x + c, n);
      } else if (a.mode == SIMCSE_POOLING_MEAN) {
        pooled = mean(x + c, hidden, rows.count, n);
      } else {
        pooled = largest(x + c, hidden, rows, n, a.argmax + embedding * hidden + c);
      }
      pooled = splat(a.weight) * pooled;
      store_at(out + c, a.accumulate ? load_at(out + c, n) + pooled : pooled, n);
    });
  });
}

SIMCSE_INLINE void add(float *p, float x) { *p += x; }
SIMCSE_INLINE void add(bf16 *p, float x) { *p = narrow(widen(*p) + x); }

template <typename T, typename Out>
static void backward(Context &context, const simcse_pooling_backward &a) {
  const int64_t hidden = a.hidden;
  parallel(context, (int64_t)a.batch->views * a.batch->sentences, [&](int64_t embedding, int) {
    const Rows rows(*a.batch, embedding);
    const Out *d_out = (const Out *)a.d_out + embedding * hidden;
    if (a.mode == SIMCSE_POOLING_MAX) {
      const int32_t *argmax = a.argmax + embedding * hidden;
      for (int64_t c = 0; c < hidden; c++) add((T *)a.d_x + argmax[c] * hidden + c, a.weight * widen(d_out[c]));
      return;
    }
    const int touched = a.mode == SIMCSE_POOLING_CLS ? 1 : rows.count;
    for (int row = 0; row < touched; row++) {
      T *d_x = (T *)a.d_x + (rows.first + row) * hidden;
      each_vector(a.hidden, [&](int c, int n, int) __attribute__((always_inline)) {
        F gradient = splat(a.weight) * load_at(d_out + c, n) / splat((float)touched);
        store_at(d_x + c, load_at(d_x + c, n) + gradient, n);
      });
    }
  });
}

void pooling_forward(Context &context, const simcse_pooling_forward &a) {
  if (a.dtype == SIMCSE_F32) {
    forward<float, float>(context, a);
  } else if (a.out_dtype == SIMCSE_F32) {
    forward<bf16, float>(context, a);
  } else {
    forward<bf16, bf16>(context, a);
  }
}

void pooling_backward(Context &context, const simcse_pooling_backward &a) {
  if (a.dtype == SIMCSE_F32) {
    backward<float, float>(context, a);
  } else if (a.out_dtype == SIMCSE_F32) {
    backward<bf16, float>(context, a);
  } else {
    backward<bf16, bf16>(context, a);
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
