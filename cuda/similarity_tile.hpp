// Products of two panels of similarity_softmax, tile by tile in the registers of a block, their operands on their way
// through shared memory by asynchronous copies.
//
// Both operands are whole tiles of matrices in scratch memory, of f16 (tensor cores) or float (fmaf). An operand lies
// along the sum (rows of a tile have neighbours of the sum side by side), or across it.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

struct f16 {
  uint16_t bits;
};

template <typename X>
constexpr int kDepth = 64 / (int)sizeof(X);  // of the sum, in a stage

template <int kTile>
constexpr int kStages = kTile == 64 ? 4 : 3;

template <typename X, int kTile>
constexpr int kTileThreads = sizeof(X) == 2 ? 2 * kTile : 256;

// Blocks of a multiprocessor that registers must suffice for.
template <typename X>
constexpr int kTileBlocks = sizeof(X) == 2 ? 2 : 1;

// Of blocks that multiply. 48 KB, so that sm_86 has room for two.
template <typename X, int kTile>
Geometry tile_geometry(int64_t x, int64_t y) {
  Geometry geometry;
  geometry.x = (unsigned)x;
  geometry.y = (unsigned)y;
  geometry.threads = kTileThreads<X, kTile>;
  geometry.shared = kStages<kTile> * 2 * kTile * 64;
  return geometry;
}

// Calls launch with the tile's size as a type; floats have but one.
template <int kSize>
struct TileSize {
  static constexpr int kTile = kSize;
};
template <typename X, typename Launch>
Fault by_tile(int tile, const Launch &launch) {
  if constexpr (sizeof(X) == 2) {
    if (tile == 128) return launch(TileSize<128>());
  }
  return launch(TileSize<64>());
}

template <typename X>
struct Matrix {
  const X *at;
  int64_t pitch;  // elements between rows
};

// Where a tile's chunks of 16 bytes lie in a stage, such that 8 rows of one chunk lie in different banks.
template <typename X, int kTile, bool kAcross>
struct StagedTile {
  static constexpr int kEach = 16 / (int)sizeof(X);
  static constexpr int kChunks = kAcross ? kTile / kEach : kDepth<X> / kEach;  // of a row
  static constexpr int kRows = kAcross ? kDepth<X> : kTile;

  static SIMT_DEVICE int place(int row, int chunk) {
    return (row * kChunks + (chunk ^ (kAcross ? row & 7 : row >> 1 & 3))) * kEach;
  }
  // Of rows or columns `first` on, and of the sum's elements `depth` on.
  static SIMT_DEVICE void load(X *stage, const Matrix<X> &from, int first, int depth) {
    SIMT_UNROLL for (int i = thread(); i < kRows * kChunks; i += kTileThreads<X, kTile>) {
      const int row = i / kChunks;
      const int chunk = i % kChunks;
      const int64_t start = kAcross ? (depth + row) * from.pitch + first : (first + row) * from.pitch + depth;
      cp_async16(stage + place(row, chunk), from.at + start + chunk * kEach);
    }
  }
  static SIMT_DEVICE float element(const X *stage, int of_tile, int of_sum) {
    const int row = kAcross ? of_sum : of_tile;
    const int column = kAcross ? of_tile : of_sum;
    return stage[place(row, column / kEach) + column % kEach];
  }
};

// Which elements of a tile a thread has: kRows x kColumns, of which kNeighbours are neighbours in a row. A row is
// spread over kLanes lanes, neighbours by shuffle_xor, of kWarps warps; a column over the lanes that are kLanes apart,
// of kWarpsDown<X> warps.
template <typename X, int kTile>
struct Part;

template <typename X>
constexpr int kWarpsDown = sizeof(X) == 2 ? 2 : 8;

template <int kTile>
struct Part<f16, kTile> {
  static constexpr int kRows = kTile / 16, kColumns = 8, kNeighbours = 2, kLanes = 4, kWarps = kTile / 32;
  static SIMT_DEVICE int first_row() { return warp() % 2 * (kTile / 2); }
  static SIMT_DEVICE int first_column() { return warp() / 2 * 32; }
  static SIMT_DEVICE int warp_of_row() { return warp() / 2; }
  static SIMT_DEVICE int warp_of_column() { return warp() % 2; }
  static SIMT_DEVICE int row(int r) { return first_row() + r / 2 * 16 + r % 2 * 8 + lane() / 4; }
  static SIMT_DEVICE int column(int c) { return first_column() + c / 2 * 8 + lane() % 4 * 2 + c % 2; }
};

template <>
struct Part<float, 64> {
  static constexpr int kRows = 4, kColumns = 4, kNeighbours = 1, kLanes = 16, kWarps = 1;
  static SIMT_DEVICE int warp_of_row() { return 0; }
  static SIMT_DEVICE int warp_of_column() { return warp(); }
  static SIMT_DEVICE int row(int r) { return thread() / 16 + 16 * r; }
  static SIMT_DEVICE int column(int c) { return thread() % 16 + 16 * c; }
};

template <typename X, int kTile, bool kAcrossA, bool kAcrossB>
struct TileProduct;

template <int kTile, bool kAcrossA, bool kAcrossB>
struct TileProduct<f16, kTile, kAcrossA, kAcrossB> {
  using P = Part<f16, kTile>;
  using A = StagedTile<f16, kTile, kAcrossA>;
  using B = StagedTile<f16, kTile, kAcrossB>;
  float sum[P::kRows / 2][4][4];

  SIMT_DEVICE float get(int r, int c) const { return sum[r / 2][c / 2][r % 2 * 2 + c % 2]; }
  SIMT_DEVICE void set(int r, int c, float x) { sum[r / 2][c / 2][r % 2 * 2 + c % 2] = x; }
  SIMT_DEVICE void clear() {
    SIMT_UNROLL for (int m = 0; m < P::kRows / 2; m++) {
      SIMT_UNROLL for (int n = 0; n < 4; n++) {
        SIMT_UNROLL for (int i = 0; i < 4; i++) sum[m][n][i] = 0.0f;
      }
    }
  }
  SIMT_DEVICE void add(const f16 *a, const f16 *b) {
    SIMT_UNROLL for (int k = 0; k < kDepth<f16>; k += 16) {
      uint32_t columns[4][2];
      SIMT_UNROLL for (int n = 0; n < 4; n += 2) {
        uint32_t words[4];
        const int first = P::first_column() + 8 * n;
        if constexpr (kAcrossB) {
          ldmatrix_trans(words, b + B::place(k + lane() % 16, first / 8 + lane() / 16));
        } else {
          ldmatrix(words, b + B::place(first + lane() % 8 + lane() / 16 * 8, k / 8 + lane() / 8 % 2));
        }
        SIMT_UNROLL for (int i = 0; i < 4; i++) columns[n + i / 2][i % 2] = words[i];
      }
      SIMT_UNROLL for (int m = 0; m < P::kRows / 2; m++) {
        uint32_t rows[4];
        const int first = P::first_row() + 16 * m;
        if constexpr (kAcrossA) {
          ldmatrix_trans(rows, a + A::place(k + lane() % 8 + lane() / 16 * 8, first / 8 + lane() / 8 % 2));
        } else {
          ldmatrix(rows, a + A::place(first + lane() % 16, k / 8 + lane() / 16));
        }
        SIMT_UNROLL for (int n = 0; n < 4; n++) mma_f16(sum[m][n], rows, columns[n]);
      }
    }
  }
};

template <bool kAcrossA, bool kAcrossB>
struct TileProduct<float, 64, kAcrossA, kAcrossB> {
  using P = Part<float, 64>;
  using A = StagedTile<float, 64, kAcrossA>;
  using B = StagedTile<float, 64, kAcrossB>;
  float sum[4][4], excess[4][4];

  SIMT_DEVICE float get(int r, int c) const { return sum[r][c]; }
  SIMT_DEVICE void set(int r, int c, float x) { sum[r][c] = x; }
  SIMT_DEVICE void clear() {
    SIMT_UNROLL for (int r = 0; r < 4; r++) {
      SIMT_UNROLL for (int c = 0; c < 4; c++) sum[r][c] = excess[r][c] = 0.0f;
    }
  }
  // A stage has sums of its own, which are added up with what rounding added or lost (Kahan 1965): one long chain of
  // roundings would show at 1 / temperature = 100.
  SIMT_DEVICE void add(const float *a, const float *b) {
    float of_stage[4][4] = {};
    SIMT_UNROLL for (int k = 0; k < kDepth<float>; k++) {
      float x[4], y[4];
      SIMT_UNROLL for (int r = 0; r < 4; r++) x[r] = A::element(a, P::row(r), k);
      SIMT_UNROLL for (int c = 0; c < 4; c++) y[c] = B::element(b, P::column(c), k);
      SIMT_UNROLL for (int r = 0; r < 4; r++) {
        SIMT_UNROLL for (int c = 0; c < 4; c++) of_stage[r][c] = fmaf(x[r], y[c], of_stage[r][c]);
      }
    }
    SIMT_UNROLL for (int r = 0; r < 4; r++) {
      SIMT_UNROLL for (int c = 0; c < 4; c++) {
        const float more = of_stage[r][c] - excess[r][c];
        const float total = sum[r][c] + more;
        excess[r][c] = (total - sum[r][c]) - more;
        sum[r][c] = total;
      }
    }
  }
};

// Steps 0 .. steps - 1 of a stage each: load(step, a, b) asks for its copies, done(step) is called when it has been
// added. By the whole block of tile_geometry, whose dynamic shared memory is free again at the end.
template <typename X, int kTile, bool kAcrossA, bool kAcrossB, typename Load, typename Done>
SIMT_DEVICE void multiply(TileProduct<X, kTile, kAcrossA, kAcrossB> &product, int steps, const Load &load,
                          const Done &done, Site at = Site::here()) {
  constexpr int kRing = kStages<kTile>;
  constexpr int kElements = kTile * kDepth<X>;
  X *const shared = dynamic_shared<X>();
  product.clear();
  SIMT_UNROLL for (int step = 0; step < kRing - 1; step++) {
    if (step < steps) load(step, shared + 2 * step * kElements, shared + (2 * step + 1) * kElements);
    cp_async_commit();
  }
  int stage = 0, next = kRing - 1;
  for (int step = 0; step < steps; step++) {
    cp_async_wait<kRing - 2>();
    sync_block(at);  // the copies of all threads are there, and stage `next` has been used by all
    if (step + kRing - 1 < steps) {
      load(step + kRing - 1, shared + 2 * next * kElements, shared + (2 * next + 1) * kElements);
    }
    cp_async_commit();
    product.add(shared + 2 * stage * kElements, shared + (2 * stage + 1) * kElements);
    done(step);
    stage = stage + 1 == kRing ? 0 : stage + 1;
    next = next + 1 == kRing ? 0 : next + 1;
  }
  cp_async_wait<0>();
  sync_block(at);
}

}  // namespace simcse::cuda
