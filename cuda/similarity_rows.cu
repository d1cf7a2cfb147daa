// A warp a vector, N columns a lane at a time.
#include "similarity_rows.hpp"

#include "similarity_swizzled.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 8;

// Powers of two that bring a length to 128 .. 256, in two steps as one might not be a float, and the inverse of the
// length they lead to: 0 for length 0, so that the vector is similar to nothing.
struct Scale {
  float first, second, inverse;
};

SIMT_DEVICE Scale scale_of(float norm) {
  if (norm == 0.0f) return {1.0f, 1.0f, 0.0f};
  if (!(norm <= 3.4028235e38f)) return {1.0f, 1.0f, norm - norm};  // not a number
  const float first = norm < 0x1p-60f ? 0x1p80f : 1.0f;
  const float second = float_of_bits((261u - (bits_of_float(norm * first) >> 23)) << 23);
  return {first, second, 1.0f / (norm * first * second)};
}

template <typename T, int N>
SIMT_DEVICE float sum_of_squares(const T *row, int hidden, const Scale &scale, float *largest) {
  float squares = 0.0f, most = 0.0f;
  SIMT_UNROLL for (int c = lane() * N; c < hidden; c += kWarp * N) {
    Pack<T, N> pack;
    float x[N];
    pack.load(row + c);
    pack.get(x);
    SIMT_UNROLL for (int k = 0; k < N; k++) {
      x[k] = x[k] * scale.first * scale.second;
      most = fmaxf(most, fabsf(x[k]));
      squares = fmaf(x[k], x[k], squares);
    }
  }
  *largest = warp_max(most);
  return warp_sum(squares);
}

// The Euclidean length, also where the squares leave the range of floats. NaN and infinity stay what they are.
template <typename T, int N>
SIMT_DEVICE float length_of(const T *row, int hidden) {
  float largest, unused;
  const float squares = sum_of_squares<T, N>(row, hidden, {1.0f, 1.0f, 1.0f}, &largest);
  if (squares > 1e-25f && squares < 1e35f) return sqrtf(squares);
  if (squares != squares || largest == 0.0f) return squares;
  if (!(largest <= 3.4028235e38f)) return largest;
  const Scale scale = scale_of(largest);
  return sqrtf(sum_of_squares<T, N>(row, hidden, scale, &unused)) / scale.second / scale.first;
}

template <int N>
SIMT_DEVICE void store_copy(float *to, const float (&x)[N]) {
  store_floats(to, x);
}
template <int N>
SIMT_DEVICE void store_copy(f16 *to, const float (&x)[N]) {
  if constexpr (N == 1) {
    to->bits = (uint16_t)pack_f16(x[0], 0.0f);
  } else {
    Words<N / 2> words;
    SIMT_UNROLL for (int k = 0; k < N; k += 2) words.word[k / 2] = pack_f16(x[k], x[k + 1]);
    store_words<N / 2>(to, words);
  }
}

template <typename T, typename X, int N, bool kMeasure>
SIMT_KERNEL(kWarps *kWarp) copy_vectors(PanelCopy<T, X> queries, PanelCopy<T, X> keys, int hidden, int columns) {
  int row = block_x() * kWarps + warp();
  if (row >= queries.filled + keys.filled) return;
  const bool of_keys = row >= queries.filled;
  if (of_keys) row -= queries.filled;
  const PanelCopy<T, X> panel = of_keys ? keys : queries;
  bool there = row < panel.count;
  int64_t vector = row;
  if (there && panel.picked != nullptr) {
    vector = panel.picked[row];
    there = vector >= 0 && vector < panel.all;
  }
  const T *const from = panel.vectors + vector * hidden;
  Scale scale = {1.0f, 1.0f, 0.0f};
  if (there) {
    float norm;
    if constexpr (kMeasure) {
      norm = length_of<T, N>(from, hidden);
      if (lane() == 0 && panel.norms != nullptr) panel.norms[row] = norm;
    } else {
      norm = panel.norms[row];
    }
    scale = scale_of(norm);
  }
  if (lane() == 0) panel.inverse[row] = scale.inverse;
  SIMT_UNROLL for (int c = lane() * N; c < columns; c += kWarp * N) {
    float x[N] = {};
    if (there && c < hidden) {
      Pack<T, N> pack;
      pack.load(from + c);
      pack.get(x);
      SIMT_UNROLL for (int k = 0; k < N; k++) x[k] = x[k] * scale.first * scale.second;
    }
    const bool swizzled = sizeof(X) == 2 && panel.swizzled;
    store_copy(panel.copy + (swizzled ? swizzled_place(row, c, columns) : (int64_t)row * columns + c), x);
  }
}

// With the scaled vector v, from the sum x: x - v (v . x) / |v|^2, where |v|^2 is summed as v . x is, so that what
// should cancel does. What lies along v changes its length, not its direction.
template <typename T, int N>
SIMT_KERNEL(kWarps *kWarp, 2)
through_normalisation(PanelGradient<T> queries, PanelGradient<T> keys, int hidden, int columns, float factor) {
  int row = block_x() * kWarps + warp();
  if (row >= queries.count + keys.count) return;
  const bool of_keys = row >= queries.count;
  if (of_keys) row -= queries.count;
  const PanelGradient<T> panel = of_keys ? keys : queries;
  const T *const vector = panel.vectors + (int64_t)row * hidden;
  const float *const sums = panel.sums + (int64_t)row * columns;
  const float norm = panel.norms[row];
  const Scale scale = scale_of(norm);
  const auto take = [&](int c, float(&v)[N], float(&x)[N]) {
    Pack<T, N> pack;
    pack.load(vector + c);
    pack.get(v);
    load_floats(x, sums + c);
    for (int split = 1; split < panel.splits; split++) {
      float more[N];
      load_floats(more, sums + split * panel.stride + c);
      SIMT_UNROLL for (int k = 0; k < N; k++) x[k] += more[k];
    }
    SIMT_UNROLL for (int k = 0; k < N; k++) v[k] = v[k] * scale.first * scale.second;
  };
  float products = 0.0f, squares = 0.0f;
  SIMT_UNROLL for (int c = lane() * N; c < hidden; c += kWarp * N) {
    float v[N], x[N];
    take(c, v, x);
    SIMT_UNROLL for (int k = 0; k < N; k++) {
      products = fmaf(v[k], x[k], products);
      squares = fmaf(v[k], v[k], squares);
    }
  }
  products = warp_sum(products);
  squares = warp_sum(squares);
  const float along = norm == 0.0f ? 0.0f : products / squares;
  const float keep = norm == 0.0f ? 0.0f : factor;
  SIMT_UNROLL for (int c = lane() * N; c < hidden; c += kWarp * N) {
    float v[N], x[N];
    take(c, v, x);
    SIMT_UNROLL for (int k = 0; k < N; k++) x[k] = fmaf(-v[k], along, x[k]) * keep * scale.first * scale.second;
    Pack<T, N> pack;
    pack.set(x);
    pack.store(panel.gradient + (int64_t)row * hidden + c);
  }
}

Geometry warps_geometry(int64_t rows) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(rows, kWarps);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

template <typename T, typename X, int N>
Fault launch_copy(const char *name, const Queue &queue, int hidden, int columns, bool measure,
                  const PanelCopy<T, X> &queries, const PanelCopy<T, X> &keys) {
  return launch(name, measure ? copy_vectors<T, X, N, true> : copy_vectors<T, X, N, false>,
                warps_geometry(queries.filled + keys.filled), queue.stream, queries, keys, hidden, columns);
}

}  // namespace

template <typename T, typename X>
Fault copy_panels(const char *name, const Queue &queue, int hidden, int columns, bool measure,
                  const PanelCopy<T, X> &queries, const PanelCopy<T, X> &keys) {
  constexpr int kN = kVector<T>;
  return hidden % kN == 0 && aligned16(queries.vectors, keys.vectors)
             ? launch_copy<T, X, kN>(name, queue, hidden, columns, measure, queries, keys)
             : launch_copy<T, X, 1>(name, queue, hidden, columns, measure, queries, keys);
}

template <typename T>
Fault finish_panels(const char *name, const Queue &queue, int hidden, int columns, float factor,
                    const PanelGradient<T> &queries, const PanelGradient<T> &keys) {
  constexpr int kN = kVector<T>;
  const bool vectors = hidden % kN == 0 &&
                       aligned16(queries.vectors, queries.gradient, keys.vectors, keys.gradient);
  return launch(name, vectors ? through_normalisation<T, kN> : through_normalisation<T, 1>,
                warps_geometry(queries.count + keys.count), queue.stream, queries, keys, hidden, columns, factor);
}

template Fault copy_panels(const char *, const Queue &, int, int, bool, const PanelCopy<bf16, f16> &,
                           const PanelCopy<bf16, f16> &);
template Fault copy_panels(const char *, const Queue &, int, int, bool, const PanelCopy<float, float> &,
                           const PanelCopy<float, float> &);
template Fault finish_panels(const char *, const Queue &, int, int, float, const PanelGradient<bf16> &,
                             const PanelGradient<bf16> &);
template Fault finish_panels(const char *, const Queue &, int, int, float, const PanelGradient<float> &,
                             const PanelGradient<float> &);

}  // namespace simcse::cuda
