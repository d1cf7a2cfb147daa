// Four neighbours of f32 or eight of bf16 a thread, 16 bytes of each array that is written.
#include "activation.hpp"

#include "gelu.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;

template <typename T, int N>
SIMT_KERNEL(kThreads) gelu_backward_each(T *pre_activation, T *gradient, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * N;
  const auto step = [&](auto &x, auto &d, int64_t at) {
    x.load(pre_activation + at);
    d.load(gradient + at);
    float values[sizeof(x) / sizeof(T)], slopes[sizeof(x) / sizeof(T)];
    x.get(values);
    d.get(slopes);
    SIMT_UNROLL for (int k = 0; k < (int)(sizeof(x) / sizeof(T)); k++) {
      float slope;
      gelu_and_slope(values[k], values[k], slope);
      slopes[k] *= slope;
    }
    x.set(values);
    d.set(slopes);
    x.store(pre_activation + at);
    d.store(gradient + at);
  };
  if (N > 1 && i + N <= count) {
    Pack<T, N> x, d;
    step(x, d, i);
  } else {
    for (int64_t at = i; at < i + N && at < count; at++) {
      Pack<T, 1> x, d;
      step(x, d, at);
    }
  }
}

template <typename Kept, typename T, int N>
SIMT_KERNEL(kThreads) gelu_slope_each(const Kept *pre_activation, T *gradient, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * N;
  const auto step = [&](auto &x, auto &d, int64_t at) {
    constexpr int kEach = sizeof(x) / sizeof(Kept);
    x.load(pre_activation + at);
    d.load(gradient + at);
    float values[kEach], gradients[kEach];
    x.get(values);
    d.get(gradients);
    SIMT_UNROLL for (int k = 0; k < kEach; k++) gradients[k] *= gelu_slope(values[k]);
    d.set(gradients);
    d.store(gradient + at);
  };
  if (N > 1 && i + N <= count) {
    Pack<Kept, N> x;
    Pack<T, N> d;
    step(x, d, i);
  } else {
    for (int64_t at = i; at < i + N && at < count; at++) {
      Pack<Kept, 1> x;
      Pack<T, 1> d;
      step(x, d, at);
    }
  }
}

template <typename T, int N>
SIMT_KERNEL(kThreads) tanh_backward_each(const T *activation, T *gradient, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * N;
  const auto step = [&](auto &y, auto &d, int64_t at) {
    y.load(activation + at);
    d.load(gradient + at);
    float values[sizeof(y) / sizeof(T)], gradients[sizeof(y) / sizeof(T)];
    y.get(values);
    d.get(gradients);
    // As (1 - y) (1 + y): near 1 the square has lost what 1 - y still has.
    SIMT_UNROLL for (int k = 0; k < (int)(sizeof(y) / sizeof(T)); k++) {
      gradients[k] *= (1.0f - values[k]) * (1.0f + values[k]);
    }
    d.set(gradients);
    d.store(gradient + at);
  };
  if (N > 1 && i + N <= count) {
    Pack<T, N> y, d;
    step(y, d, i);
  } else {
    for (int64_t at = i; at < i + N && at < count; at++) {
      Pack<T, 1> y, d;
      step(y, d, at);
    }
  }
}

template <typename T>
Fault launch_gelu(const Queue &queue, const simcse_gelu_backward &args) {
  const bool vectors = aligned16(args.pre_activation, args.gradient);
  return launch("gelu_backward", vectors ? gelu_backward_each<T, kVector<T>> : gelu_backward_each<T, 1>,
                activation_backward_geometry(args.count, vectors ? kVector<T> : 1), queue.stream,
                static_cast<T *>(args.pre_activation), static_cast<T *>(args.gradient), args.count);
}

template <typename Kept, typename T>
Fault launch_slope(const Queue &queue, const void *pre_activation, void *gradient, int64_t count) {
  constexpr int kEach = kVector<T>;
  const bool vectors = aligned16(pre_activation, gradient);
  return launch("gelu_slope", vectors ? gelu_slope_each<Kept, T, kEach> : gelu_slope_each<Kept, T, 1>,
                activation_backward_geometry(count, vectors ? kEach : 1), queue.stream,
                static_cast<const Kept *>(pre_activation), static_cast<T *>(gradient), count);
}

template <typename T>
Fault launch_tanh(const Queue &queue, const simcse_tanh_backward &args) {
  const bool vectors = aligned16(args.activation, args.gradient);
  return launch("tanh_backward", vectors ? tanh_backward_each<T, kVector<T>> : tanh_backward_each<T, 1>,
                activation_backward_geometry(args.count, vectors ? kVector<T> : 1), queue.stream,
                static_cast<const T *>(args.activation), static_cast<T *>(args.gradient), args.count);
}

}  // namespace

Geometry activation_backward_geometry(int64_t count, int vector) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads * vector);
  geometry.threads = kThreads;
  return geometry;
}

Fault gelu_backward(const Queue &queue, const simcse_gelu_backward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_gelu<bf16>(queue, args) : launch_gelu<float>(queue, args);
}

Fault multiply_by_gelu_slope(const Queue &queue, simcse_dtype kept_dtype, const void *pre_activation,
                             simcse_dtype dtype, void *gradient, int64_t count) {
  if (kept_dtype == SIMCSE_F32) return launch_slope<float, float>(queue, pre_activation, gradient, count);
  if (dtype == SIMCSE_F32) return launch_slope<bf16, float>(queue, pre_activation, gradient, count);
  return launch_slope<bf16, bf16>(queue, pre_activation, gradient, count);
}

Fault tanh_backward(const Queue &queue, const simcse_tanh_backward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_tanh<bf16>(queue, args) : launch_tanh<float>(queue, args);
}

}  // namespace simcse::cuda
