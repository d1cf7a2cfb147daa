// Tiles of logits by wgmma: blocks take ranges of column tiles with a running sum for each of their rows, and with both
// directions leave one for each column of a tile and warpgroup. With a margin, before them, tiles of each query and its
// positive.
#include "similarity_wgmma.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_forward";
constexpr int kWidth = kWgmmaLogitColumns;

// What a block does at a time: the tiles of a range of columns for a tile of rows.
struct Range {
  int number, first_row, first_tile, tiles;
  SIMT_DEVICE Range(const LogitTiles<f16> &a, int row_tiles, int item) {
    number = item / row_tiles;
    first_row = item % row_tiles * kWgmmaRows;
    first_tile = number * a.tiles_of_range;
    const int left = (a.block.columns.count + kWidth - 1) / kWidth - first_tile;
    tiles = left < a.tiles_of_range ? left : a.tiles_of_range;
  }
};

#if SIMT_SM90A

constexpr int kColumns = kWidth / 4;  // of a thread
constexpr int kChunk = 8;             // of them, at a time

SIMT_DEVICE void produce(const LogitTiles<f16> &a, int row_tiles, Ring<kWidth> &ring) {
  if (!copies()) return;
  for (int item = block_x(); item < row_tiles * a.ranges; item += grid_x()) {
    const Range range(a, row_tiles, item);
    for (int tile = 0; tile < range.tiles; tile++) {
      copy_vectors(ring, a.rows, a.columns, range.first_row, (range.first_tile + tile) * kWidth, a.depth);
    }
  }
}

SIMT_DEVICE void produce(const LimitTiles<f16> &a, int row_tiles, Ring<kWidth> &ring) {
  if (!copies()) return;
  for (int item = block_x(); item < row_tiles; item += grid_x()) {
    const int first = item * kWgmmaRows;
    copy_vectors(ring, a.rows, a.columns, first, first / kWidth * kWidth, a.depth);
  }
}

// A tile's logits into the running sums of a thread's rows. With options products become the terms of columns.
template <bool kOptions>
SIMT_DEVICE void take_rows(const LogitTiles<f16> &a, float (&product)[kWidth / 2], int first_row, int first_column,
                           RunningSum (&sums)[2]) {
  Member of_rows[2];
  int rows[2], targets[2];
  SIMT_UNROLL for (int r = 0; r < 2; r++) {
    rows[r] = first_row + sum_row(r);
    of_rows[r] = member<kOptions>(a.block.rows, rows[r]);
    targets[r] = target_of(a.block, rows[r]);
  }
  SIMT_UNROLL for (int first = 0; first < kColumns; first += kChunk) {
    float s[2][kChunk], best[2] = {sums[0].best, sums[1].best};
    SIMT_UNROLL for (int c = 0; c < kChunk; c++) {
      const int column = first_column + sum_column(first + c);
      const Member of_column = member<kOptions>(a.block.columns, column);
      SIMT_UNROLL for (int r = 0; r < 2; r++) {
        float &x = product[sum_index(r, first + c)];
        const Terms terms = terms_of<kOptions>(a.block, of_rows[r], of_column, x, rows[r], column, targets[r]);
        s[r][c] = terms.row;
        best[r] = fmaxf(best[r], s[r][c]);
        if (column == targets[r]) a.target_logits[rows[r]] = s[r][c];
        if constexpr (kOptions) x = terms.column;
      }
    }
    SIMT_UNROLL for (int r = 0; r < 2; r++) {
      const float base = best[r] == lowest() ? 0.0f : best[r];
      float total = sums[r].total * exponential<f16>(sums[r].best - base);
      SIMT_UNROLL for (int c = 0; c < kChunk; c++) total += exponential<f16>(s[r][c] - base);
      sums[r] = {best[r], total};
    }
  }
}

// The running sums of a row's lanes, in one order, and of the blocks before.
SIMT_DEVICE void store_rows(const LogitTiles<f16> &a, const Range &range, const RunningSum (&sums)[2]) {
  SIMT_UNROLL for (int r = 0; r < 2; r++) {
    RunningSum sum = sums[r];
    SIMT_UNROLL for (int step = 1; step < 4; step *= 2) {
      const RunningSum other = {shuffle_xor(sum.best, step), shuffle_xor(sum.total, step)};
      sum = merged<f16>(sum, other);
    }
    if (lane() % 4 > 0) continue;
    RunningSum *const to = a.row_parts + (int64_t)range.number * a.row_pitch + range.first_row + sum_row(r);
    *to = a.first ? sum : merged<f16>(*to, sum);
  }
}

// Of kHalf * 2 columns' sums, held as (largest, total) in place of the terms of two rows, a lane gives the one half to
// the lane kStep away, takes that lane's part of the other, and goes on with it: so 8 lanes share out the columns.
template <int kHalf, int kStep>
SIMT_DEVICE void share_columns(float (&x)[kWidth / 2]) {
  const bool upper = (lane() & kStep) != 0;
  SIMT_UNROLL for (int c = 0; c < kHalf; c++) {
    const RunningSum low = {x[sum_index(0, c)], x[sum_index(1, c)]};
    const RunningSum high = {x[sum_index(0, c + kHalf)], x[sum_index(1, c + kHalf)]};
    const RunningSum given = upper ? low : high;
    const RunningSum taken = {shuffle_xor(given.best, kStep), shuffle_xor(given.total, kStep)};
    const RunningSum sum = merged<f16>(upper ? high : low, taken);
    x[sum_index(0, c)] = sum.best;
    x[sum_index(1, c)] = sum.total;
  }
  if constexpr (kStep > 4) share_columns<kHalf / 2, kStep / 2>(x);
}

// The sums of a tile's columns over a warpgroup's rows.
SIMT_DEVICE void store_columns(const LogitTiles<f16> &a, float (&x)[kWidth / 2], int first_row, int first_column,
                               RunningSum *of_warps) {
  SIMT_UNROLL for (int c = 0; c < kColumns; c++) {
    const RunningSum sum = merged<f16>({x[sum_index(0, c)], 1.0f}, {x[sum_index(1, c)], 1.0f});
    x[sum_index(0, c)] = sum.best;
    x[sum_index(1, c)] = sum.total;
  }
  share_columns<kColumns / 2, 16>(x);
  SIMT_UNROLL for (int c = 0; c < kColumns / 8; c++) {
    of_warps[warp() * kWidth + sum_column(lane() / 4 * (kColumns / 8) + c)] = {x[sum_index(0, c)], x[sum_index(1, c)]};
  }
  sync_named(1 + warpgroup(), kWarpgroup);
  const int64_t part = first_row / kWgmmaRows * kConsumers + warpgroup();
  RunningSum *const to = a.column_parts + part * a.column_pitch + first_column;
  SIMT_UNROLL for (int column = thread() % kWarpgroup; column < kWidth; column += kWarpgroup) {
    RunningSum sum = of_warps[warpgroup() * 4 * kWidth + column];
    SIMT_UNROLL for (int w = 1; w < 4; w++) sum = merged<f16>(sum, of_warps[(warpgroup() * 4 + w) * kWidth + column]);
    to[column] = sum;
  }
  sync_named(1 + warpgroup(), kWarpgroup);
}

#endif

template <bool kOptions>
SIMT_KERNEL(kWgmmaThreads, 1) logits(LogitTiles<f16> a, int row_tiles) {
#if SIMT_SM90A
  Ring<kWidth> ring;
  ring.start();
  if (is_producer()) return produce(a, row_tiles, ring);
  float product[kWidth / 2];
  for (int item = block_x(); item < row_tiles * a.ranges; item += grid_x()) {
    const Range range(a, row_tiles, item);
    RunningSum sums[2] = {{lowest(), 0.0f}, {lowest(), 0.0f}};
    for (int tile = 0; tile < range.tiles; tile++) {
      const int first_column = (range.first_tile + tile) * kWidth;
      multiply<kWidth, false, false>(product, ring, a.depth / kWgmmaDepth);
      take_rows<kOptions>(a, product, range.first_row, first_column, sums);
      if constexpr (kOptions) {
        if (a.column_parts != nullptr) {
          store_columns(a, product, range.first_row, first_column, ring.column_sums());
        }
      }
    }
    store_rows(a, range, sums);
  }
#endif
}

// Tiles as those of logits, so that products are the same to the bit; the diagonal goes through one half of them.
SIMT_KERNEL(kWgmmaThreads, 1) limits(LimitTiles<f16> a, int row_tiles) {
#if SIMT_SM90A
  Ring<kWidth> ring;
  ring.start();
  if (is_producer()) return produce(a, row_tiles, ring);
  float product[kWidth / 2];
  for (int item = block_x(); item < row_tiles; item += grid_x()) {
    const int first = item * kWgmmaRows;
    multiply<kWidth, false, false>(product, ring, a.depth / kWgmmaDepth);
    SIMT_UNROLL for (int i = 0; i < kWidth / 2; i++) {
      const int row = first + sum_row(i / 2 % 2);
      if (first / kWidth * kWidth + wgmma_column(i) != row || row >= a.block.rows.count) continue;
      const Member of_row = member<false>(a.block.rows, row), of_column = member<false>(a.block.columns, row);
      a.limits[row] = similarity_of(a.block, of_row, of_column, product[i]) + a.margin * a.block.inverse_temperature;
    }
  }
#endif
}

}  // namespace

Fault wgmma_limit_tiles(const char *name, const Queue &queue, int rows, const LimitTiles<f16> &tiles) {
  const int row_tiles = rows / kWgmmaRows;
  return launch(name, limits, wgmma_geometry(row_tiles, multiprocessors()), queue.stream, tiles, row_tiles);
}

Fault wgmma_logit_tiles(const Queue &queue, bool options, int rows, const LogitTiles<f16> &tiles) {
  const int row_tiles = rows / kWgmmaRows;
  return launch(kName, options ? logits<true> : logits<false>,
                wgmma_geometry((int64_t)row_tiles * tiles.ranges, multiprocessors()), queue.stream, tiles, row_tiles);
}

}  // namespace simcse::cuda
