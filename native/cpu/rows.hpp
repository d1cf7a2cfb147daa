// Walking over rows of activations: vectors of a row, the masks of a row, chunks of rows, and the sums over rows that
// chunks leave behind.
#pragma once

#include "masks.hpp"
#include "parallel.hpp"

namespace simcse::cpu::SIMCSE_TIER {

template <typename T>
SIMCSE_INLINE F load_at(const T *p, int n) {
  return n == kLanes ? load(p) : load_n(p, n);
}

template <typename T>
SIMCSE_INLINE void store_at(T *p, F x, int n) {
  if (n == kLanes) {
    store(p, x);
  } else {
    store_n(p, x, n);
  }
}

// Vectors that a loop below hands out one after the other, so that sums over a row need not wait for each other.
constexpr int kBlockVectors = kMaskVectors;
constexpr int kBlock = kMaskChannels;

// One sum for each of them.
struct BlockSums {
  F of[kBlockVectors];

  __attribute__((always_inline)) BlockSums() {
    for (int j = 0; j < kBlockVectors; j++) of[j] = zero();
  }

  __attribute__((always_inline)) float total() const {
    F sums[kBlockVectors];
    for (int j = 0; j < kBlockVectors; j++) sums[j] = of[j];
    for (int width = kBlockVectors / 2; width > 0; width /= 2) {
      for (int j = 0; j < width; j++) sums[j] = sums[j] + sums[j + width];
    }
    return sum(sums[0]);
  }
};

// body(c, n, j) for the n <= kLanes channels from c on, j a number below kBlockVectors that the next ones do not have.
template <typename Body>
SIMCSE_INLINE void each_vector(int hidden, const Body &body) {
  int c = 0;
  for (; c + kBlock <= hidden; c += kBlock) {
#pragma GCC unroll 8
    for (int j = 0; j < kBlockVectors; j++) body(c + j * kLanes, kLanes, j);
  }
  for (; c + kLanes <= hidden; c += kLanes) body(c, kLanes, 0);
  if (c < hidden) body(c, hidden - c, 0);
}

// body(c, n, j, factor) as above, with the dropout's factors on these channels: 0 or 1 / keep_prob, 1 where it is off.
template <typename Body>
SIMCSE_INLINE void each_masked_vector(int hidden, const HiddenDropout &dropout, const MaskRow &row, const Body &body) {
  if (!dropout.active) {
    each_vector(hidden, [&](int c, int n, int j) __attribute__((always_inline)) { body(c, n, j, splat(1.0f)); });
    return;
  }
  int c = 0;
  for (; c + kBlock <= hidden; c += kBlock) {
    F factors[kMaskVectors];
    mask_factors(dropout, row, c, factors);
#pragma GCC unroll 8
    for (int j = 0; j < kBlockVectors; j++) body(c + j * kLanes, kLanes, j, factors[j]);
  }
  if (c == hidden) return;
  F factors[kMaskVectors];
  mask_factors(dropout, row, c, factors);
  int j = 0;
  for (; c + kLanes <= hidden; c += kLanes) body(c, kLanes, 0, factors[j++]);
  if (c < hidden) body(c, hidden - c, 0, factors[j]);
}

// Where a row of activations stands: its view and the token's sentence and position. Rows are walked in order.
struct RowCursor {
  const simcse_batch &batch;
  int view;
  int token;
  int sentence;

  RowCursor(const simcse_batch &of, int64_t row)
      : batch(of), view((int)(row / of.tokens)), token((int)(row % of.tokens)), sentence(0) {
    int past = batch.sentences;
    while (past - sentence > 1) {
      int middle = sentence + (past - sentence) / 2;
      if (batch.cu_seqlens[middle] <= token) {
        sentence = middle;
      } else {
        past = middle;
      }
    }
  }

  int position() const { return token - batch.cu_seqlens[sentence]; }

  // Of the word table's row.
  int32_t id() const { return batch.ids[batch.starts[sentence] + position()]; }

  MaskRow mask_row() const { return mask_row(view); }

  MaskRow mask_row(int of_view) const {
    return {(uint32_t)position(), (uint32_t)batch.samples[sentence], (uint32_t)(batch.first_view + of_view)};
  }

  void next() {
    if (++token == batch.cu_seqlens[sentence + 1]) sentence++;
    if (token == batch.tokens) {
      token = 0;
      sentence = 0;
      view++;
    }
  }
};

// Rows of a task, from their number alone: sums over rows must not depend on the number of threads.
struct Chunks {
  int64_t rows;
  int64_t size;
  int64_t count;

  explicit Chunks(int64_t of_rows) : rows(of_rows), size((of_rows + 127) / 128) {
    if (size < 16) size = 16;
    count = (rows + size - 1) / size;
  }

  int64_t begin(int64_t chunk) const { return chunk * size; }
  int64_t end(int64_t chunk) const { return begin(chunk) + size < rows ? begin(chunk) + size : rows; }
};

// Floats from one chunk's sums to the next: whole cache lines, so that no two threads write the same.
SIMCSE_INLINE int64_t partial_stride(int64_t columns) { return (columns + 15) / 16 * 16; }

// sum[c] += the chunks' sums, in their order, carrying along what each addition rounds off (Knuth's two-sum): sums over
// many rows mostly cancel. partials is (count, stride).
SIMCSE_INLINE void add_partials(const float *partials, int64_t count, int64_t stride, int64_t columns, float *sum) {
  for (int64_t c = 0; c < columns; c += kLanes) {
    int n = columns - c < kLanes ? (int)(columns - c) : kLanes;
    F total = load_at(sum + c, n);
    F lost = zero();
    for (int64_t chunk = 0; chunk < count; chunk++) {
      F next = load_at(partials + chunk * stride + c, n);
      F added = total + next;
      F part = added - total;
      lost = lost + ((total - (added - part)) + (next - part));
      total = added;
    }
    store_at(sum + c, total + lost, n);
  }
}

}  // namespace simcse::cpu::SIMCSE_TIER
