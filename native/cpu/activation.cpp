// Backward of GELU (Hendrycks and Gimpel 2016) and of tanh in place, and the column sums that are gradients of biases.
#include "flat.hpp"
#include "operations.hpp"
#include "vmath.hpp"

namespace simcse::cpu::SIMCSE_TIER {

template <typename T>
static void gelu(Context &context, const simcse_gelu_backward &a) {
  each_part(context, a.count, [&](int64_t begin, int elements) {
    T *x = (T *)a.pre_activation + begin;
    T *d = (T *)a.gradient + begin;
    for (int i = 0; i < elements; i += kLanes) {
      int n = elements - i < kLanes ? elements - i : kLanes;
      F slope;
      F value = gelu_and_slope(load_at(x + i, n), &slope);
      store_at(d + i, load_at(d + i, n) * slope, n);
      store_at(x + i, value, n);
    }
  });
}

template <typename T>
static void tanh(Context &context, const simcse_tanh_backward &a) {
  each_part(context, a.count, [&](int64_t begin, int elements) {
    const T *y = (const T *)a.activation + begin;
    T *d = (T *)a.gradient + begin;
    each_vector(elements, [&](int i, int n, int) __attribute__((always_inline)) {
      F value = load_at(y + i, n);
      // As (1 - y) (1 + y): near 1 the square has lost what 1 - y still has.
      store_at(d + i, load_at(d + i, n) * ((splat(1.0f) - value) * (splat(1.0f) + value)), n);
    });
  });
}

// sums (columns) of the rows begin .. end - 1, four rows at a time so that the sums are read and written less.
template <typename T>
SIMCSE_INLINE void sum_rows(const T *x, int64_t begin, int64_t end, int64_t columns, float *sums) {
  memset(sums, 0, (size_t)columns * sizeof(float));
  for (int64_t row = begin; row < end;) {
    const T *p = x + row * columns;
    bool four = row + 4 <= end;
    for (int64_t c = 0; c < columns; c += kLanes) {
      int n = columns - c < kLanes ? (int)(columns - c) : kLanes;
      F add = load_at(p + c, n);
      if (four) {
        add = (add + load_at(p + columns + c, n)) +
              (load_at(p + 2 * columns + c, n) + load_at(p + 3 * columns + c, n));
      }
      store_at(sums + c, load_at(sums + c, n) + add, n);
    }
    row += four ? 4 : 1;
  }
}

template <typename T>
static void sum_columns(Context &context, const simcse_column_sum &a) {
  const Chunks chunks(a.rows);
  const int64_t stride = partial_stride(a.columns);
  float *partials = (float *)context.shared((size_t)(chunks.count * stride) * sizeof(float));
  parallel(context, chunks.count, [&](int64_t task, int) {
    sum_rows((const T *)a.x, chunks.begin(task), chunks.end(task), a.columns, partials + task * stride);
  });
  add_partials(partials, chunks.count, stride, a.columns, a.sum);
}

void gelu_backward(Context &context, const simcse_gelu_backward &a) {
  a.dtype == SIMCSE_BF16 ? gelu<bf16>(context, a) : gelu<float>(context, a);
}

void tanh_backward(Context &context, const simcse_tanh_backward &a) {
  a.dtype == SIMCSE_BF16 ? tanh<bf16>(context, a) : tanh<float>(context, a);
}

void column_sum(Context &context, const simcse_column_sum &a) {
  a.dtype == SIMCSE_BF16 ? sum_columns<bf16>(context, a) : sum_columns<float>(context, a);
}

}  // namespace simcse::cpu::SIMCSE_TIER
