// A warp takes a sentence's columns, N a lane, and goes through its rows.
#include "pooling.hpp"

#include "batch.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 4;

// The rows of activations that make one embedding, and the columns of this lane.
struct Place {
  int embedding;
  int first, count;  // rows
  int column;
};

template <int N>
SIMT_DEVICE Place place_of_warp(const Batch &batch, int hidden) {
  const int groups = (hidden + kWarp * N - 1) / (kWarp * N);
  const int64_t index = (int64_t)block_x() * kWarps + warp();
  Place place = {};
  place.embedding = (int)(index / groups);
  place.column = ((int)(index % groups) * kWarp + lane()) * N;
  if (place.embedding >= batch.views * batch.sentences || place.column >= hidden) return place;
  const int view = place.embedding / batch.sentences;
  const int sentence = place.embedding - view * batch.sentences;
  place.first = view * batch.tokens + batch.cu_seqlens[sentence];
  place.count = batch.cu_seqlens[sentence + 1] - batch.cu_seqlens[sentence];
  return place;
}

template <typename T, typename Out>
struct Forward {
  Batch batch;
  int hidden;
  simcse_pooling_mode mode;
  bool accumulate;
  float weight;
  const T *x;
  Out *out;
  int32_t *argmax;
};

template <typename T, typename Out, int N>
SIMT_KERNEL(kWarps *kWarp) forward(Forward<T, Out> a) {
  const Place place = place_of_warp<N>(a.batch, a.hidden);
  if (place.count == 0) return;
  const T *const x = a.x + (int64_t)place.first * a.hidden + place.column;
  Pack<T, N> pack;
  float pooled[N];
  pack.load(x);
  pack.get(pooled);
  if (a.mode == SIMCSE_POOLING_MEAN) {
    SIMT_UNROLL for (int row = 1; row < place.count; row++) {
      float each[N];
      pack.load(x + (int64_t)row * a.hidden);
      pack.get(each);
      SIMT_UNROLL for (int k = 0; k < N; k++) pooled[k] += each[k];
    }
    SIMT_UNROLL for (int k = 0; k < N; k++) pooled[k] /= (float)place.count;
  } else if (a.mode == SIMCSE_POOLING_MAX) {
    int from[N] = {};
    SIMT_UNROLL for (int row = 1; row < place.count; row++) {
      float each[N];
      pack.load(x + (int64_t)row * a.hidden);
      pack.get(each);
      SIMT_UNROLL for (int k = 0; k < N; k++) {
        from[k] = each[k] > pooled[k] ? row : from[k];
        pooled[k] = each[k] > pooled[k] ? each[k] : pooled[k];
      }
    }
    int32_t *const argmax = a.argmax + (int64_t)place.embedding * a.hidden + place.column;
    SIMT_UNROLL for (int k = 0; k < N; k++) argmax[k] = place.first + from[k];
  }
  Out *const out = a.out + (int64_t)place.embedding * a.hidden + place.column;
  SIMT_UNROLL for (int k = 0; k < N; k++) {
    const float before = a.accumulate ? to_float(out[k]) : 0.0f;
    pooled[k] = fmaf(a.weight, pooled[k], before);
  }
  constexpr int kPart = N < kVector<Out> ? N : kVector<Out>;
  SIMT_UNROLL for (int i = 0; i < N; i += kPart) {
    Pack<Out, kPart> result;
    float part[kPart];
    SIMT_UNROLL for (int k = 0; k < kPart; k++) part[k] = pooled[i + k];
    result.set(part);
    result.store(out + i);
  }
}

template <typename T, typename Out>
struct Backward {
  Batch batch;
  int hidden;
  simcse_pooling_mode mode;
  float weight;
  const Out *d_out;
  const int32_t *argmax;
  T *d_x;
};

template <typename T, typename Out, int N>
SIMT_KERNEL(kWarps *kWarp) backward(Backward<T, Out> a) {
  const Place place = place_of_warp<N>(a.batch, a.hidden);
  if (place.count == 0) return;
  const int64_t from = (int64_t)place.embedding * a.hidden + place.column;
  float d[N];
  SIMT_UNROLL for (int k = 0; k < N; k++) d[k] = a.weight * to_float(a.d_out[from + k]);
  if (a.mode == SIMCSE_POOLING_MAX) {
    SIMT_UNROLL for (int k = 0; k < N; k++) {
      T &to = a.d_x[(int64_t)a.argmax[from + k] * a.hidden + place.column + k];
      to = from_float<T>(to_float(to) + d[k]);
    }
    return;
  }
  const int touched = a.mode == SIMCSE_POOLING_CLS ? 1 : place.count;
  SIMT_UNROLL for (int k = 0; k < N; k++) d[k] /= (float)touched;
  T *const d_x = a.d_x + (int64_t)place.first * a.hidden + place.column;
  SIMT_UNROLL for (int row = 0; row < touched; row++) {
    Pack<T, N> pack;
    float each[N];
    pack.load(d_x + (int64_t)row * a.hidden);
    pack.get(each);
    SIMT_UNROLL for (int k = 0; k < N; k++) each[k] += d[k];
    pack.set(each);
    pack.store(d_x + (int64_t)row * a.hidden);
  }
}

int64_t embeddings_of(const simcse_batch &batch) { return (int64_t)batch.views * batch.sentences; }

template <typename T, typename Out>
Fault launch_forward(const Queue &queue, const simcse_pooling_forward &args) {
  const Forward<T, Out> arguments = {device_batch(*args.batch),
                                     args.hidden,
                                     args.mode,
                                     args.accumulate != 0,
                                     args.weight,
                                     static_cast<const T *>(args.x),
                                     static_cast<Out *>(args.out),
                                     args.argmax};
  const int vector = aligned16(args.x, args.out) && args.hidden % kVector<T> == 0 ? kVector<T> : 1;
  return launch("pooling_forward", vector > 1 ? forward<T, Out, kVector<T>> : forward<T, Out, 1>,
                pooling_geometry(embeddings_of(*args.batch), args.hidden, vector), queue.stream, arguments);
}

template <typename T, typename Out>
Fault launch_backward(const Queue &queue, const simcse_pooling_backward &args) {
  const Backward<T, Out> arguments = {device_batch(*args.batch),
                                      args.hidden,
                                      args.mode,
                                      args.weight,
                                      static_cast<const Out *>(args.d_out),
                                      args.argmax,
                                      static_cast<T *>(args.d_x)};
  const int vector = aligned16(args.d_x) && args.hidden % kVector<T> == 0 ? kVector<T> : 1;
  return launch("pooling_backward", vector > 1 ? backward<T, Out, kVector<T>> : backward<T, Out, 1>,
                pooling_geometry(embeddings_of(*args.batch), args.hidden, vector), queue.stream, arguments);
}

}  // namespace

Geometry pooling_geometry(int64_t embeddings, int hidden, int vector) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(embeddings * ceil_divide(hidden, kWarp * vector), kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

Fault pooling_forward(const Queue &queue, const simcse_pooling_forward &args) {
  if (args.dtype == SIMCSE_F32) return launch_forward<float, float>(queue, args);
  if (args.out_dtype == SIMCSE_F32) return launch_forward<bf16, float>(queue, args);
  return launch_forward<bf16, bf16>(queue, args);
}

Fault pooling_backward(const Queue &queue, const simcse_pooling_backward &args) {
  if (args.dtype == SIMCSE_F32) return launch_backward<float, float>(queue, args);
  if (args.out_dtype == SIMCSE_F32) return launch_backward<bf16, float>(queue, args);
  return launch_backward<bf16, bf16>(queue, args);
}

}  // namespace simcse::cuda
