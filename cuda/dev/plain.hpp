// What the plain versions of several operations share: a thread that finds its own way.
#pragma once

#include "../batch.hpp"
#include "../philox.hpp"

namespace simcse::cuda::dev {

constexpr int kPlainThreads = 256;

// A thread for each of `count`.
inline Geometry plain_geometry(int64_t count) {
  Geometry geometry;
  geometry.x = (unsigned)ceil_divide(count, kPlainThreads);
  geometry.threads = kPlainThreads;
  return geometry;
}

inline Geometry blocks_geometry(int64_t blocks, int threads) {
  Geometry geometry;
  geometry.x = (unsigned)blocks;
  geometry.threads = (unsigned)threads;
  return geometry;
}

SIMT_DEVICE int64_t plain_index() { return (int64_t)block_x() * kPlainThreads + thread(); }

// As name_row, by one thread.
SIMT_DEVICE RowName name_row_alone(const Batch &batch, int row) {
  const int view = row / batch.tokens;
  const int token = row - view * batch.tokens;
  int first = 0;
  int end = batch.sentences;
  while (end - first > 1) {
    const int middle = (first + end) / 2;
    if (batch.cu_seqlens[middle] <= token) {
      first = middle;
    } else {
      end = middle;
    }
  }
  return {first, (uint32_t)(token - batch.cu_seqlens[first]), (uint32_t)batch.samples[first],
          (uint32_t)(batch.first_view + view)};
}

// to[c] += value(row, c) over the rows, for 32 columns of a block of kPlainThreads: a warp takes every eighth row.
template <typename Value>
SIMT_DEVICE void add_columns(int64_t rows, int64_t columns, float *to, const Value &value) {
  constexpr int kWarps = kPlainThreads / kWarp;
  using Columns = float[kWarp];
  SIMT_SHARED(Columns, sums, kWarps);
  const int64_t c = (int64_t)block_x() * kWarp + lane();
  float total = 0.0f;
  for (int64_t row = warp(); row < rows && c < columns; row += kWarps) total += value(row, c);
  sums[warp()][lane()] = total;
  sync_block();
  if (warp() > 0 || c >= columns) return;
  SIMT_UNROLL for (int w = 1; w < kWarps; w++) total += sums[w][lane()];
  to[c] += total;
}

// Whether an element of a row is kept, by a call of Philox of its own.
SIMT_DEVICE bool kept_alone(const Dropout &dropout, const RowName &name, uint32_t c1, int element) {
  return !dropout.active || kept<1>(dropout, mask_row(dropout, c1, name.sample, name.view), (uint32_t)element) != 0;
}

}  // namespace simcse::cuda::dev
