// The ladder of activation: GELU and tanh over activations (T, F), and their backward passes in place. Floor: two
// activations an element forward, four in gelu_backward, three in tanh_backward.
#include "../activation.hpp"

#include <cmath>

#include "../gelu.hpp"
#include "ladder.hpp"
#include "plain.hpp"

namespace simcse::cuda::dev {

namespace {

template <typename T>
SIMT_KERNEL(kPlainThreads) element_gelu(const T *from, T *to, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) to[i] = from_float<T>(gelu(to_float(from[i])));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) element_tanh(T *x, int64_t count) {
  const int64_t i = plain_index();
  if (i < count) x[i] = from_float<T>(tanhf(to_float(x[i])));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) element_gelu_backward(T *pre_activation, T *gradient, int64_t count) {
  const int64_t i = plain_index();
  if (i >= count) return;
  const float x = to_float(pre_activation[i]);
  const float slope = 0.5f * erfcf(-0.70710678f * x) + 0.39894228f * x * expf(-0.5f * x * x);
  gradient[i] = from_float<T>(to_float(gradient[i]) * slope);
  pre_activation[i] = from_float<T>(gelu(x));
}

template <typename T>
SIMT_KERNEL(kPlainThreads) element_tanh_backward(const T *activation, T *gradient, int64_t count) {
  const int64_t i = plain_index();
  if (i >= count) return;
  const float y = to_float(activation[i]);
  gradient[i] = from_float<T>(to_float(gradient[i]) * fmaf(-y, y, 1.0f));
}

// Of some elements, each a function of its own inputs.
template <typename Function>
Expected expected(Type type, int64_t count, const Function &function) {
  Expected e;
  e.each = 1;
  e.first = spread(count, 200000);
  for (const int64_t i : e.first) e.reference.push_back(function(i));
  e.naive = rounded(type, e.reference);
  return e;
}

double exact_gelu(double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }
double gelu_slope(double x) {
  return std::erfc(-x / std::sqrt(2.0)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.141592653589793);
}

const char kVectors[] = "eight elements a thread, in accesses of 16 bytes: more bytes in flight";

template <typename T>
void run_forward(Ladder &ladder, const Shape &shape, const Host &values) {
  const int64_t count = values.count();
  const Type type = shape.type();
  {
    Problem p(ladder, "gelu_forward", shape);
    const T *const from = p.input<T>(values);
    T *const to = p.output<T>("to", count, expected(type, count, [&](int64_t i) { return exact_gelu(values[i]); }));
    p.floor(2.0 * (double)values.bytes(), 0);
    p.rung("element", "a thread an element", [&](const Queue &q) {
      return launch("gelu_forward", element_gelu<T>, plain_geometry(count), q.stream, from, to, count);
    });
    p.rung("product", kVectors,
           [&](const Queue &q) { return gelu_forward(q, shape.dtype(), from, shape.dtype(), to, count); });
    p.climb();
  }
  Problem p(ladder, "tanh_forward", shape);
  T *const x = p.updated<T>("x", values, expected(type, count, [&](int64_t i) { return std::tanh(values[i]); }));
  p.floor(2.0 * (double)values.bytes(), 0);
  p.rung("element", "a thread an element", [&](const Queue &q) {
    return launch("tanh_forward", element_tanh<T>, plain_geometry(count), q.stream, x, count);
  });
  p.rung("product", kVectors, [&](const Queue &q) { return tanh_forward(q, shape.dtype(), x, count); });
  p.climb();
}

template <typename T>
void run_backward(Ladder &ladder, const Shape &shape, const Host &values, const Host &d) {
  const int64_t count = values.count();
  const Type type = shape.type();
  {
    Problem p(ladder, "gelu_backward", shape);
    T *const x =
        p.updated<T>("pre_activation", values, expected(type, count, [&](int64_t i) { return exact_gelu(values[i]); }));
    T *const gradient =
        p.updated<T>("gradient", d, expected(type, count, [&](int64_t i) { return d[i] * gelu_slope(values[i]); }));
    p.floor(4.0 * (double)values.bytes(), 0);
    p.rung("element", "a thread an element", [&](const Queue &q) {
      return launch("gelu_backward", element_gelu_backward<T>, plain_geometry(count), q.stream, x, gradient, count);
    });
    p.rung("product", kVectors, [&](const Queue &q) {
      return gelu_backward(q, {sizeof(simcse_gelu_backward), shape.dtype(), 0, count, x, gradient});
    });
    p.climb();
  }
  Problem p(ladder, "tanh_backward", shape);
  const T *const y = p.input<T>(values);
  T *const gradient = p.updated<T>(
      "gradient", d, expected(type, count, [&](int64_t i) { return d[i] * (1 - values[i] * values[i]); }));
  p.floor(3.0 * (double)values.bytes(), 0);
  p.rung("element", "a thread an element", [&](const Queue &q) {
    return launch("tanh_backward", element_tanh_backward<T>, plain_geometry(count), q.stream, y, gradient, count);
  });
  p.rung("product", kVectors, [&](const Queue &q) {
    return tanh_backward(q, {sizeof(simcse_tanh_backward), shape.dtype(), 0, count, y, gradient});
  });
  p.climb();
}

template <typename T>
void run_type(Ladder &ladder, const Shape &shape) {
  Random random(1);
  const int64_t count = shape["T"] * shape["F"];
  const Host values = Host::random(shape.type(), count, random, 3), d = Host::random(shape.type(), count, random);
  run_forward<T>(ladder, shape, values);
  run_backward<T>(ladder, shape, values, d);
}

void run(Ladder &ladder, const Shape &shape) {
  return shape.dtype() == SIMCSE_BF16 ? run_type<bf16>(ladder, shape) : run_type<float>(ladder, shape);
}

const Program kProgram = {{"f32 T=3 F=31", "bf16 T=7 F=33", "bf16 T=2 F=512"},
                          {"bf16 T=1024 F=3072", "bf16 T=16384 F=1536", "bf16 T=16384 F=3072", "bf16 T=65536 F=4096",
                           "f32 T=16384 F=3072"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
