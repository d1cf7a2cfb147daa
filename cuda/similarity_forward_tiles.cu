// Tiles of logits by mma.sync or fmaf: blocks of threads go through ranges of column tiles with a running sum for each
// of their rows, and with both directions leave one for each column of a tile. With a margin, before them, tiles of
// each query and its positive.
#include "similarity_kernels.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_forward";

// The running sums of a thread's rows over its warp's columns: the lanes of a row share them out.
template <typename X, int kTile>
constexpr int kHeldRows = (Part<X, kTile>::kRows + Part<X, kTile>::kLanes - 1) / Part<X, kTile>::kLanes;

template <typename X, int kTile>
SIMT_DEVICE bool holds_row(int r) {
  return lane() % Part<X, kTile>::kLanes == r / kHeldRows<X, kTile>;
}

// A tile's logits into the running sums of its rows. With options the product becomes the terms of columns.
template <typename X, int kTile, bool kOptions, typename Product>
SIMT_DEVICE void take_rows(const LogitTiles<X> &a, Product &product, int first_row, int first_column,
                           RunningSum (&sums)[kHeldRows<X, kTile>]) {
  using P = Part<X, kTile>;
  Member of_columns[P::kColumns];  // the plain loss, short of registers, reads them again for each row
  SIMT_UNROLL for (int c = 0; c < P::kColumns && kOptions; c++) {
    of_columns[c] = member<kOptions>(a.block.columns, first_column + P::column(c));
  }
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    const int row = first_row + P::row(r);
    const Member of_row = member<kOptions>(a.block.rows, row);
    const int target = target_of(a.block, row);
    float s[P::kColumns];
    float best = lowest();
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) {
      const int column = first_column + P::column(c);
      if constexpr (!kOptions) of_columns[c] = member<kOptions>(a.block.columns, column);
      const Terms terms = terms_of<kOptions>(a.block, of_row, of_columns[c], product.get(r, c), row, column, target);
      s[c] = terms.row;
      best = fmaxf(best, s[c]);
      if (column == target) a.target_logits[row] = s[c];
      if constexpr (kOptions) product.set(r, c, terms.column);
    }
    SIMT_UNROLL for (int step = 1; step < P::kLanes; step *= 2) best = fmaxf(best, shuffle_xor(best, step));
    const float base = best == lowest() ? 0.0f : best;
    float total = 0.0f;
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) total += exponential<X>(s[c] - base);
    SIMT_UNROLL for (int step = 1; step < P::kLanes; step *= 2) total += shuffle_xor(total, step);
    RunningSum &sum = sums[r % kHeldRows<X, kTile>];
    if (holds_row<X, kTile>(r)) sum = merged<X>(sum, {best, total});
  }
}

// The sums of a tile's columns over its warp's rows.
template <typename X, int kTile, typename Product>
SIMT_DEVICE void store_columns(const LogitTiles<X> &a, const Product &product, int first_column) {
  using P = Part<X, kTile>;
  const int64_t part = (int64_t)block_x() * kWarpsDown<X> + P::warp_of_column();
  RunningSum *const to = a.column_parts + part * a.column_pitch + first_column;
  SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) {
    float best = lowest();
    SIMT_UNROLL for (int r = 0; r < P::kRows; r++) best = fmaxf(best, product.get(r, c));
    SIMT_UNROLL for (int step = P::kLanes; step < kWarp; step *= 2) best = fmaxf(best, shuffle_xor(best, step));
    const float base = best == lowest() ? 0.0f : best;
    float total = 0.0f;
    SIMT_UNROLL for (int r = 0; r < P::kRows; r++) total += exponential<X>(product.get(r, c) - base);
    SIMT_UNROLL for (int step = P::kLanes; step < kWarp; step *= 2) total += shuffle_xor(total, step);
    if (lane() < P::kLanes) to[P::column(c)] = {best, total};
  }
}

// The running sums of a row's warps, in order, and of the blocks before.
template <typename X, int kTile>
SIMT_DEVICE void store_rows(const LogitTiles<X> &a, int first_row, const RunningSum (&sums)[kHeldRows<X, kTile>]) {
  using P = Part<X, kTile>;
  RunningSum *const of_warps = dynamic_shared<RunningSum>();  // (kWarps, kTile)
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    if (holds_row<X, kTile>(r)) of_warps[P::warp_of_row() * kTile + P::row(r)] = sums[r % kHeldRows<X, kTile>];
  }
  sync_block();
  if (thread() >= kTile) return;
  RunningSum sum = of_warps[thread()];
  SIMT_UNROLL for (int w = 1; w < P::kWarps; w++) sum = merged<X>(sum, of_warps[w * kTile + thread()]);
  RunningSum *const to = a.row_parts + (int64_t)block_y() * a.row_pitch + first_row + thread();
  *to = a.first ? sum : merged<X>(*to, sum);
}

template <typename X, int kTile, bool kOptions>
SIMT_KERNEL((kTileThreads<X, kTile>), (kOptions ? 1 : kTileBlocks<X>)) logits(LogitTiles<X> a) {
  const int first_row = block_x() * kTile;
  const int first_tile = block_y() * a.tiles_of_range;
  const int all_tiles = (a.block.columns.count + kTile - 1) / kTile;
  const int tiles = all_tiles - first_tile < a.tiles_of_range ? all_tiles - first_tile : a.tiles_of_range;
  int load_depth = 0, load_column = first_tile * kTile;
  int depth = 0, column = first_tile * kTile;
  RunningSum sums[kHeldRows<X, kTile>];
  SIMT_UNROLL for (int i = 0; i < kHeldRows<X, kTile>; i++) sums[i] = {lowest(), 0.0f};
  TileProduct<X, kTile, false, false> product;
  // The tiles of a range are one long product, so that copies for the next are on their way during the exponentials.
  multiply<X, kTile>(
      product, tiles < 0 ? 0 : tiles * (a.depth / kDepth<X>),
      [&](int, X *rows, X *columns) {
        StagedTile<X, kTile, false>::load(rows, a.rows, first_row, load_depth);
        StagedTile<X, kTile, false>::load(columns, a.columns, load_column, load_depth);
        load_depth += kDepth<X>;
        if (load_depth < a.depth) return;
        load_depth = 0;
        load_column += kTile;
      },
      [&](int) {
        depth += kDepth<X>;
        if (depth < a.depth) return;
        take_rows<X, kTile, kOptions>(a, product, first_row, column, sums);
        if constexpr (kOptions) {
          if (a.column_parts != nullptr) store_columns<X, kTile>(a, product, column);
        }
        product.clear();
        depth = 0;
        column += kTile;
      });
  store_rows<X, kTile>(a, first_row, sums);
}

template <typename X, int kTile>
SIMT_KERNEL((kTileThreads<X, kTile>), kTileBlocks<X>) limits(LimitTiles<X> a) {
  using P = Part<X, kTile>;
  const int first = block_x() * kTile;
  TileProduct<X, kTile, false, false> product;
  multiply<X, kTile>(
      product, a.depth / kDepth<X>,
      [&](int step, X *rows, X *columns) {
        StagedTile<X, kTile, false>::load(rows, a.rows, first, step * kDepth<X>);
        StagedTile<X, kTile, false>::load(columns, a.columns, first, step * kDepth<X>);
      },
      [](int) {});
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) {
      const int row = first + P::row(r);
      if (P::row(r) != P::column(c) || row >= a.block.rows.count) continue;
      const Member of_row = member<false>(a.block.rows, row), of_column = member<false>(a.block.columns, row);
      a.limits[row] = similarity_of(a.block, of_row, of_column, product.get(r, c)) +
                      a.margin * a.block.inverse_temperature;
    }
  }
}

}  // namespace

template <typename X>
Fault limit_tiles(const char *name, const Queue &queue, int tile, int rows, const LimitTiles<X> &tiles) {
  return by_tile<X>(tile, [&](auto size) {
    constexpr int kTile = decltype(size)::kTile;
    return launch(name, limits<X, kTile>, tile_geometry<X, kTile>(rows / kTile, 1), queue.stream, tiles);
  });
}

template <typename X>
Fault logit_tiles(const Queue &queue, int tile, bool options, int rows, const LogitTiles<X> &tiles) {
  return by_tile<X>(tile, [&](auto size) {
    constexpr int kTile = decltype(size)::kTile;
    return launch(kName, options ? logits<X, kTile, true> : logits<X, kTile, false>,
                  tile_geometry<X, kTile>(rows / kTile, tiles.ranges), queue.stream, tiles);
  });
}

template Fault limit_tiles(const char *, const Queue &, int, int, const LimitTiles<f16> &);
template Fault limit_tiles(const char *, const Queue &, int, int, const LimitTiles<float> &);
template Fault logit_tiles(const Queue &, int, bool, int, const LogitTiles<f16> &);
template Fault logit_tiles(const Queue &, int, bool, int, const LogitTiles<float> &);

}  // namespace simcse::cuda
