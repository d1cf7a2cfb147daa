// The ladder of similarity_softmax: N queries, M keys of H numbers, forward and backward. Floors: 2 N M H FLOPs
// forward, 6 N M H backward; vectors are read once, and in the backward pass their gradients written once. Shapes with
// `bias` have a hard negative for each query, M = 2 N.
#include "../similarity_softmax.hpp"

#include "similarity_library.hpp"
#include "similarity_reference.hpp"

namespace simcse::cuda::dev {

namespace {

constexpr int kWidest = 1024;
constexpr int64_t kMostStored = int64_t{8} << 30;   // bytes
constexpr double kMostAlone = 3e11;                  // N M H, for a warp a query
constexpr char kForward[] = "similarity_softmax_forward", kBackward[] = "similarity_softmax_backward";

// --- forward ---

template <typename T>
SIMT_KERNEL(kPlainThreads) all_logits(Plain<T> a, float *logits) {
  const int64_t index = plain_index();
  if (index >= a.n * a.m) return;
  const int64_t i = index / a.m, j = index % a.m;
  logits[index] = a.logit(dot_alone(a.queries + i * a.hidden, a.keys + j * a.hidden, a.hidden), i, j);
}

template <typename T>
SIMT_KERNEL(kPlainThreads) all_rows(Plain<T> a, const float *logits, float *losses) {
  const int64_t i = plain_index() / kWarp;
  if (i >= a.n) return;
  float most = -INFINITY, sum = 0.0f;
  for (int64_t j = lane(); j < a.m; j += kWarp) most = fmaxf(most, logits[i * a.m + j]);
  most = warp_max(most);
  for (int64_t j = lane(); j < a.m; j += kWarp) sum += expf(logits[i * a.m + j] - most);
  sum = warp_sum(sum);
  if (lane() > 0) return;
  a.lse[i] = most + logf(sum);
  losses[i] = a.lse[i] - logits[i * a.m + a.targets[i]];
}

template <typename T>
SIMT_KERNEL(kPlainThreads) query_forward(Plain<T> a, float *losses) {
  const int64_t i = plain_index() / kWarp;
  if (i >= a.n) return;
  float most = -INFINITY, sum = 0.0f, of_target = 0.0f;
  for (int64_t j = 0; j < a.m; j++) {
    const float s = a.logit(dot_of_warp(a.queries + i * a.hidden, a.keys + j * a.hidden, a.hidden), i, j);
    const float next = fmaxf(most, s);
    sum = fmaf(sum, expf(most - next), expf(s - next));
    most = next;
    if (j == a.targets[i]) of_target = s;
  }
  if (lane() > 0) return;
  a.lse[i] = most + logf(sum);
  losses[i] = a.lse[i] - of_target;
}

SIMT_KERNEL(kWarp) mean_loss(const float *losses, int64_t count, float *loss) {
  float sum = 0.0f;
  for (int64_t i = lane(); i < count; i += kWarp) sum += losses[i];
  sum = warp_sum(sum);
  if (lane() == 0) *loss = sum / (float)count;
}

// --- backward ---

template <typename T>
SIMT_KERNEL(kPlainThreads) all_gradients(Plain<T> a, float *gradients) {
  const int64_t index = plain_index();
  if (index >= a.n * a.m) return;
  const int64_t i = index / a.m, j = index % a.m;
  gradients[index] = a.gradient(dot_alone(a.queries + i * a.hidden, a.keys + j * a.hidden, a.hidden), i, j);
}

// Of a vector of length `norm`, the gradient of its direction, in shared memory, becomes its own.
template <typename T>
SIMT_DEVICE void through_normalisation(const T *x, float norm, const float *direction, int hidden, T *to,
                                       Site at = Site::here()) {
  float along = 0.0f;
  for (int c = lane(); c < hidden; c += kWarp) along = fmaf(to_float(x[c]) / norm, direction[c], along);
  along = warp_sum(along, at);
  for (int c = lane(); c < hidden; c += kWarp) {
    to[c] = from_float<T>((direction[c] - to_float(x[c]) / norm * along) / norm);
  }
}

// A warp a query, or a key: sums of the other side times `gradient(other)`.
template <typename T, bool kKeys, typename Gradient>
SIMT_DEVICE void sum_others(const Plain<T> &a, const Gradient &gradient) {
  using Row = float[kWidest];
  SIMT_SHARED(Row, directions, kPlainThreads / kWarp);
  const int64_t mine = plain_index() / kWarp;
  if (mine >= (kKeys ? a.m : a.n)) return;
  float *const direction = directions[warp()];
  for (int c = lane(); c < a.hidden; c += kWarp) direction[c] = 0.0f;
  const T *const others = kKeys ? a.queries : a.keys;
  for (int64_t other = 0; other < (kKeys ? a.n : a.m); other++) {
    const float factor = gradient(mine, other) / (kKeys ? a.query_norm : a.key_norm)[other];
    for (int c = lane(); c < a.hidden; c += kWarp) {
      direction[c] = fmaf(factor, to_float(others[other * a.hidden + c]), direction[c]);
    }
  }
  const T *const x = (kKeys ? a.keys : a.queries) + mine * a.hidden;
  T *const to = (kKeys ? a.d_keys : a.d_queries) + mine * a.hidden;
  through_normalisation(x, (kKeys ? a.key_norm : a.query_norm)[mine], direction, a.hidden, to);
}

template <typename T, bool kKeys>
SIMT_KERNEL(kPlainThreads) stored_backward(Plain<T> a, const float *gradients) {
  sum_others<T, kKeys>(a, [&](int64_t mine, int64_t other) {
    return gradients[kKeys ? other * a.m + mine : mine * a.m + other];
  });
}

template <typename T, bool kKeys>
SIMT_KERNEL(kPlainThreads) alone_backward(Plain<T> a) {
  sum_others<T, kKeys>(a, [&](int64_t mine, int64_t other) {
    const int64_t i = kKeys ? other : mine, j = kKeys ? mine : other;
    return a.gradient(dot_of_warp(a.queries + i * a.hidden, a.keys + j * a.hidden, a.hidden), i, j);
  });
}

// --- the ladder ---

// Also at shapes where its tiles are too large to be chosen.
bool climbs_wgmma(const SimilarityShape &shape) { return shape.dtype == SIMCSE_BF16 && similarity_has_wgmma(); }

template <typename T>
struct Setting {
  Setting(Problem &p, const Shape &shape)
      : vectors(shape), contrast(vectors.contrast), alone((double)vectors.n * (double)vectors.m * vectors.hidden) {
    a = {vectors.hidden,
         vectors.n,
         vectors.m,
         p.input<T>(vectors.queries),
         p.input<T>(vectors.keys),
         p.input<int32_t>(Host::of(vectors.targets)),
         1 / contrast.temperature,
         contrast.own_negative_bias,
         contrast.own_negative_offset,
         nullptr,
         nullptr,
         nullptr,
         kLossScale / (float)vectors.n / contrast.temperature,
         nullptr,
         nullptr};
  }
  double bytes() const { return (double)(vectors.n + vectors.m) * vectors.hidden * sizeof(T); }
  bool stores() const { return vectors.n * vectors.m * 4 <= kMostStored && alone <= kMostAlone; }

  SimilarityVectors vectors;
  simcse_contrast contrast;
  double alone;
  Plain<T> a;
};

template <typename T>
void run_forward(Ladder &ladder, const Shape &shape) {
  Problem p(ladder, kForward, shape);
  Setting<T> s(p, shape);
  Plain<T> &a = s.a;
  const SimilarityForward e = similarity_forward_expected(s.vectors);
  float *const loss = p.output<float>("loss", 1, e.loss);
  a.lse = p.output<float>("lse", a.n, e.lse);
  a.query_norm = p.output<float>("query_norm", a.n, e.query_norm);
  a.key_norm = p.output<float>("key_norm", a.m, e.key_norm);
  float *const losses = p.scratch<float>(a.n);
  float *const logits = s.stores() ? p.scratch<float>(a.n * a.m) : nullptr;
  p.floor(s.bytes(), 2 * s.alone);
  const Geometry vectors = plain_geometry((a.n + a.m) * kWarp), queries = plain_geometry(a.n * kWarp);
  const auto mean = [&](const Queue &q) {
    return launch(kForward, mean_loss, blocks_geometry(1, kWarp), q.stream, (const float *)losses, a.n, loss);
  };
  if (s.stores()) {
    p.rung("stored", "a thread a logit, all N M of them in memory, then a warp a query", [&](const Queue &q) {
      Fault fault = launch(kForward, norms<T>, vectors, q.stream, a);
      if (fault == 0) fault = launch(kForward, all_logits<T>, plain_geometry(a.n * a.m), q.stream, a, logits);
      if (fault == 0) fault = launch(kForward, all_rows<T>, queries, q.stream, a, (const float *)logits, losses);
      return fault != 0 ? fault : mean(q);
    });
  }
  if (s.alone <= kMostAlone) {
    p.rung("query", "a warp a query with a running sum: no logits in memory", [&](const Queue &q) {
      Fault fault = launch(kForward, norms<T>, vectors, q.stream, a);
      if (fault == 0) fault = launch(kForward, query_forward<T>, queries, q.stream, a, losses);
      return fault != 0 ? fault : mean(q);
    });
  }
  const simcse_similarity_softmax_forward args = {
      sizeof args, shape.dtype(), a.hidden,   a.n, a.m,   a.queries,    a.keys,
      a.targets,   s.contrast,    loss, a.lse, a.query_norm, a.key_norm, nullptr};
  const SimilarityShape whole = similarity_shape(args);
  SimilarityPlan small = similarity_forward_plan(whole);
  p.queue_scratch(similarity_softmax_forward_scratch(whole));
  if (small.logit_tile > 64) {
    small.logit_tile = 64;
    small.ranges = (int)ceil_divide(small.column_panel / 64, small.tiles_of_range);
    p.queue_scratch(similarity_forward_bytes(small, whole));
    p.rung("tile64", "products on tensor cores (f16), tiles of 64 x 64 logits, none of which is stored",
           [&](const Queue &q) { return similarity_softmax_forward(q, args, small); });
  }
  PanelProducts<T> library(ladder.cublaslt(), a, p);
  p.rung("library", "panels of products by cuBLASLt, in f32 and in L2, on their way to running sums", [&](const Queue &q) {
    Fault fault = launch(kForward, norms<T>, vectors, q.stream, a);
    if (fault == 0) fault = library.forward(kForward, q, losses);
    return fault != 0 ? fault : mean(q);
  });
  const SimilarityPlan wide = similarity_forward_plan(whole, true);
  if (climbs_wgmma(whole)) {
    p.queue_scratch(similarity_forward_bytes(wide, whole));
    p.rung("wgmma", "tensor cores by warpgroups, tiles of 128 x 256 fed by bulk copies: sm_90a",
           [&](const Queue &q) { return similarity_softmax_forward(q, args, wide); });
  }
  p.rung("product", "tensor cores (f16; f32: multiply-adds), tiles of 128 x 128 where they fill a GPU, else 64 x 64",
         [&](const Queue &q) { return similarity_softmax_forward(q, args); });
  p.climb();
}

template <typename T>
void run_backward(Ladder &ladder, const Shape &shape) {
  Problem p(ladder, kBackward, shape);
  Setting<T> s(p, shape);
  Plain<T> &a = s.a;
  const SimilarityBackward e = similarity_backward_expected(s.vectors);
  const float *const lse = p.input<float>(e.lse), *const query_norm = p.input<float>(e.query_norm);
  const float *const key_norm = p.input<float>(e.key_norm);
  a.lse = const_cast<float *>(lse);
  a.query_norm = const_cast<float *>(query_norm);
  a.key_norm = const_cast<float *>(key_norm);
  a.d_queries = p.output<T>("d_queries", a.n * a.hidden, e.d_queries);
  a.d_keys = p.output<T>("d_keys", a.m * a.hidden, e.d_keys);
  float *const gradients = s.stores() ? p.scratch<float>(a.n * a.m) : nullptr;
  p.floor(2 * s.bytes(), 6 * s.alone);
  const Geometry queries = plain_geometry(a.n * kWarp), keys = plain_geometry(a.m * kWarp);
  if (s.stores()) {
    p.rung("stored", "a thread a gradient of a logit, all in memory, then a warp a vector", [&](const Queue &q) {
      const float *const from = gradients;
      Fault fault = launch(kBackward, all_gradients<T>, plain_geometry(a.n * a.m), q.stream, a, gradients);
      if (fault == 0) fault = launch(kBackward, stored_backward<T, false>, queries, q.stream, a, from);
      return fault != 0 ? fault : launch(kBackward, stored_backward<T, true>, keys, q.stream, a, from);
    });
  }
  if (s.alone <= kMostAlone) {
    p.rung("vector", "a warp a vector, which makes its logits again: none in memory", [&](const Queue &q) {
      const Fault fault = launch(kBackward, alone_backward<T, false>, queries, q.stream, a);
      return fault != 0 ? fault : launch(kBackward, alone_backward<T, true>, keys, q.stream, a);
    });
  }
  const simcse_similarity_softmax_backward args = {
      sizeof args, shape.dtype(), a.hidden,   a.n,        a.m, a.queries,   a.keys,  a.targets,
      s.contrast,  lse,           query_norm, key_norm, nullptr, kLossScale, 0, a.d_queries, a.d_keys};
  const SimilarityShape whole = similarity_shape(args);
  SimilarityPlan small = similarity_backward_plan(whole);
  p.queue_scratch(similarity_softmax_backward_scratch(whole));
  if (small.logit_tile > 64 || small.gradient_tile > 64) {
    small.logit_tile = small.gradient_tile = 64;
    p.queue_scratch(similarity_backward_bytes(small, whole));
    p.rung("tile64", "panels of gradients in f16 that stay in L2, three products on tensor cores, tiles of 64 x 64",
           [&](const Queue &q) { return similarity_softmax_backward(q, args, small); });
  }
  PanelProducts<T> library(ladder.cublaslt(), a, p);
  p.rung("library", "three products of a panel by cuBLASLt, with its logits and their gradients in L2 between them",
         [&](const Queue &q) { return library.backward(kBackward, q); });
  const SimilarityPlan wide = similarity_backward_plan(whole, true);
  if (climbs_wgmma(whole)) {
    p.queue_scratch(similarity_backward_bytes(wide, whole));
    p.rung("wgmma", "three products by warpgroups, tiles of 128 x 256 fed by bulk copies: sm_90a",
           [&](const Queue &q) { return similarity_softmax_backward(q, args, wide); });
  }
  p.rung("product", "tensor cores (f16; f32: multiply-adds), tiles of 128 x 128 where they fill a GPU, else 64 x 64",
         [&](const Queue &q) { return similarity_softmax_backward(q, args); });
  p.climb();
}

void run(Ladder &ladder, const Shape &shape) {
  if (shape.dtype() == SIMCSE_BF16) {
    run_forward<bf16>(ladder, shape);
    run_backward<bf16>(ladder, shape);
  } else {
    run_forward<float>(ladder, shape);
    run_backward<float>(ladder, shape);
  }
}

const Program kProgram = {{"f32 N=5 M=5 H=31", "bf16 N=20 M=40 H=96 bias=1", "bf16 N=70 M=70 H=40"},
                          {"bf16 N=64 M=64 H=768", "bf16 N=512 M=512 H=768", "bf16 N=512 M=1024 H=768 bias=1",
                           "bf16 N=512 M=512 H=384", "bf16 N=8192 M=8192 H=768", "bf16 N=65536 M=65536 H=768",
                           "f32 N=512 M=512 H=768"},
                          run};

}  // namespace

}  // namespace simcse::cuda::dev

int main(int count, char **arguments) {
  return simcse::cuda::dev::climb(count, arguments, simcse::cuda::dev::kProgram);
}
