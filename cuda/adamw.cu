// Four neighbouring parameters a thread, 16 bytes of each array.
#include "adamw.hpp"

#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kEach = 4;
constexpr int kParts = 1024;  // of the norm, at most

// --- gradient norm ---

// Over a block, in a fixed order. Squares are summed in double: those of numbers beyond 1e19 are no floats.
SIMT_DEVICE double block_total(double x, double *sums, Site at = Site::here()) {
  sums[thread()] = x;
  sync_block(at);
  for (int width = kThreads / 2; width > 0; width /= 2) {
    if (thread() < width) sums[thread()] += sums[thread() + width];
    sync_block(at);
  }
  return sums[0];
}

// Thread i takes groups of four i, i + all threads, ...; part b is the sum of block b.
template <bool kVectors>
SIMT_KERNEL(kThreads) square_parts(const float *gradients, int64_t count, double *parts) {
  SIMT_SHARED(double, sums, kThreads);
  double total = 0.0;
  const int64_t stride = (int64_t)grid_x() * kThreads * kEach;
  for (int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach; i < count; i += stride) {
    if (kVectors && i + kEach <= count) {
      float x[kEach];
      load_floats(x, gradients + i);
      SIMT_UNROLL for (int k = 0; k < kEach; k++) total += (double)x[k] * x[k];
    } else {
      for (int64_t k = i; k < i + kEach && k < count; k++) total += (double)gradients[k] * gradients[k];
    }
  }
  total = block_total(total, sums);
  if (thread() == 0) parts[block_x()] = total;
}

SIMT_KERNEL(kThreads) root_of_parts(const double *parts, int count, float *norm) {
  SIMT_SHARED(double, sums, kThreads);
  double total = 0.0;
  for (int i = thread(); i < count; i += kThreads) total += parts[i];
  total = block_total(total, sums);
  if (thread() == 0) *norm = (float)sqrt(total);
}

// --- adamw ---

struct Update {
  int64_t count;
  float beta1, rest1;  // rest = 1 - beta
  float beta2, rest2;
  float step_size;      // learning rate / bias correction of m
  float inverse_root2;  // 1 / sqrt of the bias correction of v
  float epsilon;
  float decay;  // learning rate * weight decay
  float max_grad_norm;
  float *parameters;
  const float *gradients;
  float *first_moment, *second_moment;
  const float *norm;
  bf16 *bf16_copy;
};

SIMT_DEVICE void update_one(const Update &a, float clip, float gradient, float &m, float &v, float &p) {
  const float g = clip * gradient;
  m = fmaf(a.beta1, m, a.rest1 * g);
  v = fmaf(a.beta2, v, a.rest2 * g * g);
  const float step = a.step_size * m / fmaf(sqrtf(v), a.inverse_root2, a.epsilon);
  p -= fmaf(a.decay, p, step);
}

template <bool kVectors>
SIMT_KERNEL(kThreads) update(Update a) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach;
  if (i >= a.count) return;
  float clip = 1.0f;
  if (a.max_grad_norm > 0.0f) {
    const float ratio = a.max_grad_norm / (*a.norm + 1e-6f);
    clip = ratio >= 1.0f ? 1.0f : ratio;  // not a number stays one
  }
  if (kVectors && i + kEach <= a.count) {
    float g[kEach], m[kEach], v[kEach], p[kEach];
    load_floats(g, a.gradients + i);
    load_floats(m, a.first_moment + i);
    load_floats(v, a.second_moment + i);
    load_floats(p, a.parameters + i);
    SIMT_UNROLL for (int k = 0; k < kEach; k++) update_one(a, clip, g[k], m[k], v[k], p[k]);
    store_floats(a.first_moment + i, m);
    store_floats(a.second_moment + i, v);
    store_floats(a.parameters + i, p);
    if (a.bf16_copy != nullptr) {
      Pack<bf16, kEach> copy;
      copy.set(p);
      copy.store(a.bf16_copy + i);
    }
  } else {
    for (int64_t k = i; k < i + kEach && k < a.count; k++) {
      float p = a.parameters[k];
      update_one(a, clip, a.gradients[k], a.first_moment[k], a.second_moment[k], p);
      a.parameters[k] = p;
      if (a.bf16_copy != nullptr) a.bf16_copy[k] = round_bf16(p);
    }
  }
}

}  // namespace

Geometry gradient_norm_geometry(int64_t count) {
  Geometry geometry;
  const int64_t blocks = ceil_divide(count, kThreads * kEach);
  geometry.x = (unsigned)(blocks < kParts ? blocks : kParts);
  geometry.threads = kThreads;
  return geometry;
}

int64_t gradient_norm_scratch(int64_t count) {
  return (int64_t)gradient_norm_geometry(count).x * (int64_t)sizeof(double);
}

Geometry adamw_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads * kEach);
  geometry.threads = kThreads;
  return geometry;
}

Fault gradient_norm(const Queue &queue, const simcse_gradient_norm &args) {
  const Geometry geometry = gradient_norm_geometry(args.count);
  double *const parts = static_cast<double *>(queue.scratch);
  const Fault fault = launch("gradient_norm", aligned16(args.gradients) ? square_parts<true> : square_parts<false>,
                             geometry, queue.stream, args.gradients, args.count, parts);
  if (fault != 0) return fault;
  Geometry one;
  one.threads = kThreads;
  return launch("gradient_norm", root_of_parts, one, queue.stream, static_cast<const double *>(parts),
                (int)geometry.x, args.norm);
}

Fault adamw(const Queue &queue, const simcse_adamw &args) {
  const double correction1 = 1.0 - pow(args.beta1, (double)args.step);
  const double correction2 = 1.0 - pow(args.beta2, (double)args.step);
  const Update arguments = {args.count,
                            (float)args.beta1,
                            (float)(1.0 - args.beta1),
                            (float)args.beta2,
                            (float)(1.0 - args.beta2),
                            (float)(args.learning_rate / correction1),
                            (float)(1.0 / sqrt(correction2)),
                            (float)args.epsilon,
                            (float)(args.learning_rate * args.weight_decay),
                            (float)args.max_grad_norm,
                            args.parameters,
                            args.gradients,
                            args.first_moment,
                            args.second_moment,
                            args.norm,
                            reinterpret_cast<bf16 *>(args.bf16_copy)};
  const bool vectors =
      aligned16(args.parameters, args.gradients, args.first_moment, args.second_moment, args.bf16_copy);
  return launch("adamw", vectors ? update<true> : update<false>, adamw_geometry(args.count), queue.stream, arguments);
}

}  // namespace simcse::cuda
