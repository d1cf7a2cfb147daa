// A warp a row; lanes take columns lane, lane + 32, ...
#include "cross_entropy.hpp"

#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 256;  // that add up the losses

template <typename T>
struct Rows {
  int64_t rows;
  int classes;
  const T *logits;
  const int32_t *targets;
  float *lse;
};

template <typename T>
SIMT_KERNEL(kWarps *kWarp) forward(Rows<T> a, float *losses) {
  const int64_t row = (int64_t)block_x() * kWarps + warp();
  if (row >= a.rows) return;
  const T *const x = a.logits + row * a.classes;
  const float lowest = float_of_bits(0xff800000u);
  float best = lowest, total = 0.0f;
  SIMT_UNROLL for (int c = lane(); c < a.classes; c += kWarp) {
    const float each = to_float(x[c]);
    if (each == lowest) continue;
    const float larger = fmaxf(best, each);
    total = total * expf(best - larger) + expf(each - larger);
    best = larger;
  }
  const float most = warp_max(best);
  total = warp_sum(total * expf(best - most));
  if (lane() > 0) return;
  const float rest = logf(total);
  a.lse[row] = most + rest;
  // Not lse - logit: rounding lse would cost the digits of a small loss.
  losses[row] = (most - to_float(x[a.targets[row]])) + rest;
}

SIMT_KERNEL(kThreads) mean_of(const float *losses, int64_t rows, float *loss) {
  SIMT_SHARED(float, sums, kWarp);
  float total = 0.0f;
  for (int64_t row = thread(); row < rows; row += kThreads) total += losses[row];
  total = block_sum(total, sums);
  if (thread() == 0) *loss = total / (float)rows;
}

template <typename T>
SIMT_KERNEL(kWarps *kWarp) backward(Rows<T> a, float factor, T *d_logits) {
  const int64_t row = (int64_t)block_x() * kWarps + warp();
  if (row >= a.rows) return;
  const int target = a.targets[row];
  const float lse = a.lse[row];
  SIMT_UNROLL for (int c = lane(); c < a.classes; c += kWarp) {
    const float probability = expf(to_float(a.logits[row * a.classes + c]) - lse);
    d_logits[row * a.classes + c] = from_float<T>(factor * (c == target ? probability - 1.0f : probability));
  }
}

template <typename T>
Fault launch_forward(const Queue &queue, const CrossEntropyForward &args) {
  const Rows<T> rows = {args.rows, args.classes, static_cast<const T *>(args.logits), args.targets, args.lse};
  float *const losses = static_cast<float *>(queue.scratch);
  const Fault fault = launch("cross_entropy_forward", forward<T>, cross_entropy_geometry(args.rows), queue.stream,
                             rows, losses);
  if (fault != 0) return fault;
  Geometry one;
  one.threads = kThreads;
  return launch("cross_entropy_forward", mean_of, one, queue.stream, static_cast<const float *>(losses), args.rows,
                args.loss);
}

template <typename T>
Fault launch_backward(const Queue &queue, const CrossEntropyBackward &args) {
  const Rows<T> rows = {args.rows, args.classes, static_cast<const T *>(args.logits), args.targets,
                        const_cast<float *>(args.lse)};
  return launch("cross_entropy_backward", backward<T>, cross_entropy_geometry(args.rows), queue.stream, rows,
                args.loss_scale / (float)args.rows, static_cast<T *>(args.d_logits));
}

}  // namespace

Geometry cross_entropy_geometry(int64_t rows) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(rows, kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

int64_t cross_entropy_forward_scratch(int64_t rows) { return rows * (int64_t)sizeof(float); }

Fault cross_entropy_forward(const Queue &queue, const CrossEntropyForward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_forward<bf16>(queue, args) : launch_forward<float>(queue, args);
}

Fault cross_entropy_backward(const Queue &queue, const CrossEntropyBackward &args) {
  return args.dtype == SIMCSE_BF16 ? launch_backward<bf16>(queue, args) : launch_backward<float>(queue, args);
}

}  // namespace simcse::cuda
