// Four neighbours of a row a thread, where rows are whole groups of four and the arrays aligned; else one by one.
#include "gemm_epilogue.hpp"

#include "gelu.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kEach = 4;

template <typename C, typename Kept>
struct Arrays {
  const float *product, *bias;
  const C *residual;
  C *c;
  Kept *pre_activation;
  int64_t count, n;
  simcse_epilogue epilogue;
};

// `N` elements from `at` on, all of one row.
template <int N, typename C, typename Kept>
SIMT_DEVICE void finish(const Arrays<C, Kept> &a, int64_t at) {
  float x[N], other[N];
  Pack<float, N> floats;
  Pack<C, N> values;
  floats.load(a.product + at);
  floats.get(x);
  if (a.bias != nullptr) {
    floats.load(a.bias + at % a.n);
    floats.get(other);
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += other[k];
  }
  if (a.epilogue == SIMCSE_EPILOGUE_ACCUMULATE || a.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL) {
    values.load((a.epilogue == SIMCSE_EPILOGUE_ACCUMULATE ? a.c : a.residual) + at);
    values.get(other);
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += other[k];
  }
  if (a.pre_activation != nullptr) {
    Pack<Kept, N> kept;
    if (a.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD) {
      kept.load(a.pre_activation + at);
      kept.get(other);
      SIMT_UNROLL for (int k = 0; k < N; k++) x[k] *= gelu_slope(other[k]);
    } else {
      kept.set(x);
      kept.store(a.pre_activation + at);
    }
  }
  if (a.epilogue == SIMCSE_EPILOGUE_BIAS_GELU) {
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] = gelu(x[k]);
  }
  if (a.epilogue == SIMCSE_EPILOGUE_BIAS_TANH) {
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] = tanhf(x[k]);
  }
  values.set(x);
  values.store(a.c + at);
}

template <bool kVectors, typename C, typename Kept>
SIMT_KERNEL(kThreads) finish_each(Arrays<C, Kept> a) {
  const int64_t i = ((int64_t)block_x() * kThreads + thread()) * kEach;
  if (kVectors) {
    if (i < a.count) finish<kEach>(a, i);
  } else {
    for (int64_t at = i; at < i + kEach && at < a.count; at++) finish<1>(a, at);
  }
}

template <typename C, typename Kept>
Fault start(const Queue &queue, const simcse_gemm_epilogue &args) {
  const Arrays<C, Kept> arrays = {args.product,
                                  args.bias,
                                  static_cast<const C *>(args.residual),
                                  static_cast<C *>(args.c),
                                  static_cast<Kept *>(args.pre_activation),
                                  args.m * args.n,
                                  args.n,
                                  args.epilogue};
  const bool vectors = args.n % kEach == 0 && aligned16(args.product, args.bias, args.residual, args.c,
                                                        args.pre_activation);
  return launch("gemm_epilogue", vectors ? finish_each<true, C, Kept> : finish_each<false, C, Kept>,
                gemm_epilogue_geometry(arrays.count), queue.stream, arrays);
}

}  // namespace

Geometry gemm_epilogue_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kThreads * kEach);
  geometry.threads = kThreads;
  return geometry;
}

Fault gemm_epilogue(const Queue &queue, const simcse_gemm_epilogue &args) {
  if (args.c_dtype == SIMCSE_BF16) return start<bf16, bf16>(queue, args);
  return args.dtype == SIMCSE_BF16 ? start<float, bf16>(queue, args) : start<float, float>(queue, args);
}

}  // namespace simcse::cuda
