// Eight elements a thread: 16 bytes of bf16 or twice 16 of floats.
#include "activation.hpp"

#include "gelu.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kEach = 8;

struct Gelu {
  static SIMT_DEVICE float of(float x) { return gelu(x); }
};
struct Tanh {
  static SIMT_DEVICE float of(float x) { return tanhf(x); }
};

template <typename T>
SIMT_DEVICE void load_each(float (&x)[kEach], const T *from) {
  SIMT_UNROLL for (int k = 0; k < kEach; k += kVector<T>) {
    Pack<T, kVector<T>> pack;
    float part[kVector<T>];
    pack.load(from + k);
    pack.get(part);
    SIMT_UNROLL for (int i = 0; i < kVector<T>; i++) x[k + i] = part[i];
  }
}

template <typename T>
SIMT_DEVICE void store_each(T *to, const float (&x)[kEach]) {
  SIMT_UNROLL for (int k = 0; k < kEach; k += kVector<T>) {
    Pack<T, kVector<T>> pack;
    float part[kVector<T>];
    SIMT_UNROLL for (int i = 0; i < kVector<T>; i++) part[i] = x[k + i];
    pack.set(part);
    pack.store(to + k);
  }
}

template <typename Function, typename From, typename To, bool kVectors>
SIMT_KERNEL(kThreads) activate(const From *from, To *to, int64_t count) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach;
  if (kVectors && i + kEach <= count) {
    float x[kEach];
    load_each(x, from + i);
    SIMT_UNROLL for (int k = 0; k < kEach; k++) x[k] = Function::of(x[k]);
    store_each(to + i, x);
  } else {
    for (int64_t k = i; k < i + kEach && k < count; k++) to[k] = from_float<To>(Function::of(to_float(from[k])));
  }
}

template <typename Function, typename From, typename To>
Fault start(const char *name, const Queue &queue, const void *from, void *to, int64_t count) {
  return launch(name, aligned16(from, to) ? activate<Function, From, To, true> : activate<Function, From, To, false>,
                activation_geometry(count), queue.stream, static_cast<const From *>(from), static_cast<To *>(to),
                count);
}

}  // namespace

Geometry activation_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads * kEach);
  geometry.threads = kThreads;
  return geometry;
}

Fault gelu_forward(const Queue &queue, simcse_dtype from_dtype, const void *from, simcse_dtype to_dtype, void *to,
                   int64_t count) {
  if (from_dtype == SIMCSE_F32) return start<Gelu, float, float>("gelu_forward", queue, from, to, count);
  if (to_dtype == SIMCSE_F32) return start<Gelu, bf16, float>("gelu_forward", queue, from, to, count);
  return start<Gelu, bf16, bf16>("gelu_forward", queue, from, to, count);
}

Fault tanh_forward(const Queue &queue, simcse_dtype dtype, void *x, int64_t count) {
  if (dtype == SIMCSE_F32) return start<Tanh, float, float>("tanh_forward", queue, x, x, count);
  return start<Tanh, bf16, bf16>("tanh_forward", queue, x, x, count);
}

}  // namespace simcse::cuda
