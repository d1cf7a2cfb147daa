// Parts of the sums, which add_partials then adds up.
#include "column_sum.hpp"

#include "partial_sums.hpp"
#include "simt.hpp"

namespace simcse::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kRowsOfWarp = 8;   // at least, where there are that many
constexpr int kParts = 128;      // at most
constexpr int kRowsAtOnce = 4;   // of a warp, on their way from memory together

template <typename T, int N>
SIMT_DEVICE void add(float (&sum)[N], const Pack<T, N> &pack) {
  float each[N];
  pack.get(each);
  SIMT_UNROLL for (int k = 0; k < N; k++) sum[k] += each[k];
}

// Block (x, y) adds up rows kWarps y + warp, + kWarps grid_y(), ... of columns 32 N x + N lane on.
template <typename T, int N>
SIMT_KERNEL(kWarps *kWarp) column_parts(const T *x, int64_t rows, int64_t columns, float *parts) {
  using Columns = float[kWarp * N];
  SIMT_SHARED(Columns, sums, kWarps);
  const int64_t c = ((int64_t)block_x() * kWarp + lane()) * N;
  float sum[N] = {};
  if (c < columns) {
    const int64_t stride = (int64_t)grid_y() * kWarps;
    int64_t row = (int64_t)block_y() * kWarps + warp();
    for (; row + (kRowsAtOnce - 1) * stride < rows; row += kRowsAtOnce * stride) {
      Pack<T, N> packs[kRowsAtOnce];
      SIMT_UNROLL for (int i = 0; i < kRowsAtOnce; i++) packs[i].load_once(x + (row + i * stride) * columns + c);
      SIMT_UNROLL for (int i = 0; i < kRowsAtOnce; i++) add(sum, packs[i]);
    }
    for (; row < rows; row += stride) {
      Pack<T, N> pack;
      pack.load_once(x + row * columns + c);
      add(sum, pack);
    }
  }
  SIMT_UNROLL for (int k = 0; k < N; k++) sums[warp()][k * kWarp + lane()] = sum[k];
  sync_block();
  // Thread i has column i of the block's 32 N, which lane i / N kept in its place i % N.
  const int i = thread();
  const int64_t column = (int64_t)block_x() * kWarp * N + i;
  if (i >= kWarp * N || column >= columns) return;
  const int at = i % N * kWarp + i / N;
  float total = sums[0][at];
  SIMT_UNROLL for (int w = 1; w < kWarps; w++) total += sums[w][at];
  parts[(int64_t)block_y() * columns + column] = total;
}

template <typename T>
Fault launch_column_sum(const Queue &queue, const simcse_column_sum &args) {
  const int vector = aligned16(args.x) && args.columns % kVector<T> == 0 ? kVector<T> : 1;
  float *const parts = static_cast<float *>(queue.scratch);
  const Fault fault = launch("column_sum", vector > 1 ? column_parts<T, kVector<T>> : column_parts<T, 1>,
                             column_sum_geometry(args.rows, args.columns, vector), queue.stream,
                             static_cast<const T *>(args.x), args.rows, args.columns, parts);
  if (fault != 0) return fault;
  return add_partials(queue, parts, column_sum_parts(args.rows), (int)args.columns, args.sum, nullptr);
}

}  // namespace

int column_sum_parts(int64_t rows) {
  const int64_t parts = ceil_divide(rows, kWarps * kRowsOfWarp);
  return (int)(parts < kParts ? parts : kParts);
}

Geometry column_sum_geometry(int64_t rows, int64_t columns, int vector) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(columns, kWarp * vector);
  geometry.y = (unsigned)column_sum_parts(rows);
  geometry.threads = kWarps * kWarp;
  return geometry;
}

int64_t column_sum_scratch(int64_t rows, int64_t columns) {
  return column_sum_parts(rows) * columns * (int64_t)sizeof(float);
}

Fault column_sum(const Queue &queue, const simcse_column_sum &args) {
  return args.dtype == SIMCSE_BF16 ? launch_column_sum<bf16>(queue, args) : launch_column_sum<float>(queue, args);
}

}  // namespace simcse::cuda
