// Four neighbours of f32 or eight of bf16 a thread, 16 bytes of each array.
#include "activation.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;

// The derivative of x / 2 (1 + erf(x / sqrt 2)) is the normal distribution's function at x, plus x times its density.
SIMT_DEVICE void gelu_and_slope(float x, float &value, float &slope) {
  const float below = 0.5f * erfcf(-0.70710678f * x);
  value = x * below;
  slope = fmaf(x, 0.39894228f * expf(-0.5f * x * x), below);
}

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

Fault tanh_backward(const Queue &queue, const simcse_tanh_backward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_tanh<bf16>(queue, args) : launch_tanh<float>(queue, args);
}

}  // namespace simcse::cuda
