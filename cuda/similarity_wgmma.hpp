// Products of two panels of similarity_softmax on sm_90a: a thread that asks for copies, two warpgroups that multiply.
//
// A tile is 128 rows, of which a warpgroup has 64, by 128 or 256 columns, and its sums stay in registers: 128 a thread,
// for which the producer's warpgroup gives up most of its own. Operands lie as similarity_swizzled.hpp has them. A stage
// is 64 elements of the sum; the ring of stages runs on from tile to tile and from item to item of a block, so that the
// copies for the next are on their way during the exponentials of one, and a warpgroup may be ahead of the other.
//
// Predicted floor: at N = M = 65,536 and H = 768 the products of a training step are 26.4 TFLOP (and 3.3 more where G of
// half of the keys is made twice), 33 ms at about 790 TFLOP/s, what large products of f16 are said to reach on an H100. A
// stage of 128 x 256 is 4.2 MFLOP for 48 KB out of the L2 cache: 9 TB/s at that rate, which blocks that share copies, as
// a cluster may, would halve.
#pragma once

#include "similarity_kernels.hpp"
#include "similarity_swizzled.hpp"
#include "simt_sm90.hpp"

namespace simcse::cuda {

constexpr int kConsumers = 2;                                            // warpgroups
constexpr int kWgmmaThreads = (kConsumers + 1) * kWarpgroup;             // the last is the producer's
constexpr int kWgmmaRows = 64 * kConsumers;                              // of a tile
constexpr int kWgmmaDepth = 64;                                          // of the sum, in a stage
constexpr int kWgmmaRowBytes = kWgmmaRows * kWgmmaDepth * 2;             // of a stage
constexpr int kWgmmaStageBytes = 192 * 1024;                             // of all stages
constexpr int kWgmmaMergeBytes = kConsumers * 4 * 256 * 8;               // running sums of columns, by warp
constexpr int kWgmmaBarrierBytes = 256;
constexpr int kWgmmaShared =
    kSwizzledRows + kWgmmaStageBytes + kWgmmaMergeBytes + kWgmmaBarrierBytes;  // where it starts is rounded up

template <int kWidth>
constexpr int kWgmmaStage = kWgmmaRowBytes + kWidth * kWgmmaDepth * 2;  // bytes
template <int kWidth>
constexpr int kWgmmaStages = kWgmmaStageBytes / kWgmmaStage<kWidth>;

// Of `items`, which blocks share out among them: their number changes nothing in the results.
inline Geometry wgmma_geometry(int64_t items, int blocks) {
  Geometry geometry;
  geometry.x = (unsigned)(items < blocks ? items : blocks);
  geometry.threads = kWgmmaThreads;
  geometry.shared = kWgmmaShared;
  return geometry;
}

#if SIMT_SM90A

SIMT_DEVICE int warpgroup() { return thread() / kWarpgroup; }

// Whether a thread is of the producer's warpgroup; all others have the registers for sums from here on.
SIMT_DEVICE bool is_producer() {
  if (warpgroup() == kConsumers) {
    give_registers<40>();
    return true;
  }
  take_registers<232>();
  return false;
}
SIMT_DEVICE bool copies() { return thread() == kConsumers * kWarpgroup; }

// The ring of stages, from the producer's or a consumer's point of view.
template <int kWidth>
struct Ring {
  static constexpr int kStages = kWgmmaStages<kWidth>;
  char *stages;
  Mbarrier *full, *empty;
  int stage;
  unsigned parity;

  // By the whole block.
  SIMT_DEVICE void start() {
    char *const shared = dynamic_shared<char>();
    stages = shared + (0u - shared_address(shared)) % kSwizzledRows;
    full = reinterpret_cast<Mbarrier *>(stages + kWgmmaStageBytes + kWgmmaMergeBytes);
    empty = full + kStages;
    stage = 0;
    parity = 0;
    if (thread() == 0) {
      SIMT_UNROLL for (int i = 0; i < kStages; i++) {
        mbarrier_init(full + i, 1);
        mbarrier_init(empty + i, kConsumers * kWarpgroup / kWarp);
      }
      mbarrier_publish();
    }
    sync_block();
  }
  SIMT_DEVICE char *rows() const { return stages + stage * kWgmmaStage<kWidth>; }
  SIMT_DEVICE char *columns() const { return rows() + kWgmmaRowBytes; }
  // (warp of a consumer, column of a tile)
  SIMT_DEVICE RunningSum *column_sums() const { return reinterpret_cast<RunningSum *>(stages + kWgmmaStageBytes); }
  SIMT_DEVICE void next() {
    stage++;
    if (stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
  // The producer's: waits until the stage is free; its copies arrive at the barrier.
  SIMT_DEVICE Mbarrier *fill(Site at = Site::here()) {
    mbarrier_wait(empty + stage, parity ^ 1, at);
    mbarrier_expect(full + stage, kWgmmaStage<kWidth>, at);
    return full + stage;
  }
};

// An operand's kExtent rows or columns from `first` on, and the sum's elements from `depth` on.
template <int kExtent, bool kAcross>
SIMT_DEVICE void copy_operand(char *to, const Matrix<f16> &from, int first, int depth, Mbarrier *full) {
  if constexpr (kAcross) {
    constexpr int kBytes = kWgmmaDepth * 128;
    SIMT_UNROLL for (int i = 0; i < kExtent / kSwizzledTileColumns; i++) {
      const f16 *const tile = from.at + swizzled_tile(depth, first + i * kSwizzledTileColumns, from.pitch);
      copy_bulk(to + i * kBytes, tile + depth % kSwizzledTileRows * kSwizzledTileColumns, kBytes, full);
    }
  } else {
    constexpr int kBytes = kSwizzledTile * 2;
    SIMT_UNROLL for (int i = 0; i < kExtent / kSwizzledTileRows; i++) {
      copy_bulk(to + i * kBytes, from.at + swizzled_tile(first + i * kSwizzledTileRows, depth, from.pitch), kBytes,
                full);
    }
  }
}

// An operand's elements of the sum from `depth` on, a multiple of 16, in its stage.
template <bool kAcross>
SIMT_DEVICE uint64_t operand_at(const char *stage, int depth) {
  constexpr int kLeading = kWgmmaDepth * 128;  // between 64 rows of an operand across
  return swizzled_operand(stage + depth * (kAcross ? 128 : 2), kLeading, kSwizzledRows);
}

// The copies for one tile of products of vectors, of `depth` columns.
template <int kWidth>
SIMT_DEVICE void copy_vectors(Ring<kWidth> &ring, const Matrix<f16> &rows, const Matrix<f16> &columns, int first_row,
                              int first_column, int depth) {
  SIMT_ROLLED for (int at = 0; at < depth; at += kWgmmaDepth) {
    Mbarrier *const full = ring.fill();
    copy_operand<kWgmmaRows, false>(ring.rows(), rows, first_row, at, full);
    copy_operand<kWidth, false>(ring.columns(), columns, first_column, at, full);
    ring.next();
  }
}

// Sums over `steps` stages, at least one, of a warpgroup. (What else writes to the sums beside the products makes the
// compiler wait for each of them, or keep the sums twice.)
template <int kWidth, bool kAcrossA, bool kAcrossB>
SIMT_DEVICE void multiply(float (&sum)[kWidth / 2], Ring<kWidth> &ring, int steps, Site at = Site::here()) {
  Mbarrier *used = nullptr;  // of the stage before, once nothing reads it
  for (int step = 0; step < steps; step++) {
    mbarrier_wait(ring.full + ring.stage, ring.parity, at);
    const char *const a = ring.rows() + warpgroup() * (kWgmmaRowBytes / kConsumers);
    const char *const b = ring.columns();
    wgmma_fence(sum, at);
    SIMT_UNROLL for (int depth = 0; depth < kWgmmaDepth; depth += 16) {
      wgmma_f16<kAcrossA, kAcrossB>(sum, operand_at<kAcrossA>(a, depth), operand_at<kAcrossB>(b, depth),
                                    step > 0 || depth > 0, at);
    }
    wgmma_commit();
    wgmma_wait<1>(sum, at);
    if (used != nullptr && lane() == 0) mbarrier_arrive(used, at);
    used = ring.empty + ring.stage;
    ring.next();
  }
  wgmma_wait<0>(sum, at);
  if (lane() == 0) mbarrier_arrive(used, at);
}

// A thread's part of a warpgroup's sums: two rows, 8 apart, and kWidth / 4 columns, in each row pairs of neighbours.
SIMT_DEVICE int sum_index(int r, int c) { return c / 2 * 4 + r * 2 + c % 2; }
SIMT_DEVICE int sum_row(int r) { return warpgroup() * 64 + wgmma_row(2 * r); }
SIMT_DEVICE int sum_column(int c) { return wgmma_column(sum_index(0, c)); }

#endif

}  // namespace simcse::cuda
