// G = d loss / d products of a block into scratch memory, and sums over G times vectors, by mma.sync or fmaf.
#include "similarity_kernels.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_backward";

// --- G ---

SIMT_DEVICE void store_neighbours(f16 *to, const float (&x)[2]) {
  const Words<1> pair = {{pack_f16(x[0], x[1])}};
  store_words<1>(to, pair);
}
SIMT_DEVICE void store_neighbours(float *to, const float (&x)[1]) { *to = x[0]; }

template <typename X, int kTile, bool kOptions>
SIMT_KERNEL((kTileThreads<X, kTile>), (kOptions ? 1 : kTileBlocks<X>)) gradient_of_products(GradientTiles<X> a) {
  using P = Part<X, kTile>;
  const int first_row = block_x() * kTile;
  const int first_column = block_y() * kTile;
  TileProduct<X, kTile, false, false> product;
  multiply<X, kTile>(
      product, a.depth / kDepth<X>,
      [&](int step, X *rows, X *columns) {
        StagedTile<X, kTile, false>::load(rows, a.rows, first_row, step * kDepth<X>);
        StagedTile<X, kTile, false>::load(columns, a.columns, first_column, step * kDepth<X>);
      },
      [](int) {});
  Member of_columns[P::kColumns];
  SIMT_UNROLL for (int c = 0; c < P::kColumns; c++) {
    of_columns[c] = member<kOptions>(a.block.columns, first_column + P::column(c));
  }
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    const int row = first_row + P::row(r);
    const Member of_row = member<kOptions>(a.block.rows, row);
    const int target = target_of(a.block, row);
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c += P::kNeighbours) {
      float g[P::kNeighbours];
      SIMT_UNROLL for (int k = 0; k < P::kNeighbours; k++) {
        g[k] = gradient_of<X, kOptions>(a.block, of_row, of_columns[c + k], product.get(r, c + k), row,
                                        first_column + P::column(c + k), target, a.factor);
      }
      store_neighbours(a.g + row * a.pitch + first_column + P::column(c), g);
    }
  }
}

// --- sums over G ---

template <typename X, int kTile, typename Product>
SIMT_DEVICE void store_tile(const Product &product, float *to, int64_t pitch, bool add) {
  using P = Part<X, kTile>;
  SIMT_UNROLL for (int r = 0; r < P::kRows; r++) {
    SIMT_UNROLL for (int c = 0; c < P::kColumns; c += P::kNeighbours) {
      float *const at = to + P::row(r) * pitch + P::column(c);
      if constexpr (P::kNeighbours == 2) {
        Words<2> pair = {{0, 0}};
        if (add) pair = load_words<2>(at);
        SIMT_UNROLL for (int k = 0; k < 2; k++) {
          pair.word[k] = bits_of_float(product.get(r, c + k) + float_of_bits(pair.word[k]));
        }
        store_words<2>(at, pair);
      } else {
        *at = product.get(r, c) + (add ? *at : 0.0f);
      }
    }
  }
}

template <typename X, int kTile>
SIMT_DEVICE void row_tile(const SumTiles<X> &a, int block) {
  const int across = a.hidden / kTile;
  const int down = a.rows / kTile;
  const int split = block / (across * down);
  const int first_row = block / across % down * kTile;
  const int first_column = block % across * kTile;
  const int all_steps = a.columns / kDepth<X>;
  const int most = (all_steps + a.splits - 1) / a.splits;
  const int first = split * most;
  const int steps = all_steps - first < most ? all_steps - first : most;
  TileProduct<X, kTile, false, true> product;
  multiply<X, kTile>(
      product, steps,
      [&](int step, X *left, X *right) {
        StagedTile<X, kTile, false>::load(left, a.g, first_row, (first + step) * kDepth<X>);
        StagedTile<X, kTile, true>::load(right, a.column_vectors, first_column, (first + step) * kDepth<X>);
      },
      [](int) {});
  float *const to = a.row_sums + split * a.stride + (int64_t)first_row * a.hidden + first_column;
  store_tile<X, kTile>(product, to, a.hidden, a.add_rows);
}

template <typename X, int kTile>
SIMT_DEVICE void column_tile(const SumTiles<X> &a, int block) {
  const int across = a.hidden / kTile;
  const int first_row = block / across * kTile;
  const int first_column = block % across * kTile;
  TileProduct<X, kTile, true, true> product;
  multiply<X, kTile>(
      product, a.rows / kDepth<X>,
      [&](int step, X *left, X *right) {
        StagedTile<X, kTile, true>::load(left, a.g, first_row, step * kDepth<X>);
        StagedTile<X, kTile, true>::load(right, a.row_vectors, first_column, step * kDepth<X>);
      },
      [](int) {});
  float *const to = a.column_sums + (int64_t)first_row * a.hidden + first_column;
  store_tile<X, kTile>(product, to, a.hidden, a.add_columns);
}

template <typename X, int kTile>
SIMT_KERNEL((kTileThreads<X, kTile>), kTileBlocks<X>) sums_of_gradients(SumTiles<X> a) {
  if (block_x() < a.row_tiles) {
    row_tile<X, kTile>(a, block_x());
  } else {
    column_tile<X, kTile>(a, block_x() - a.row_tiles);
  }
}

}  // namespace

template <typename X>
Fault gradient_tiles(const Queue &queue, int tile, bool options, int rows, int columns, const GradientTiles<X> &tiles) {
  return by_tile<X>(tile, [&](auto size) {
    constexpr int kTile = decltype(size)::kTile;
    return launch(kName, options ? gradient_of_products<X, kTile, true> : gradient_of_products<X, kTile, false>,
                  tile_geometry<X, kTile>(rows / kTile, columns / kTile), queue.stream, tiles);
  });
}

template <typename X>
Fault sum_tiles(const Queue &queue, int tile, bool of_rows, bool of_columns, SumTiles<X> tiles) {
  const int across = tiles.hidden / tile;
  tiles.row_tiles = of_rows ? tiles.splits * (tiles.rows / tile) * across : 0;
  const int column_tiles = of_columns ? tiles.columns / tile * across : 0;
  return by_tile<X>(tile, [&](auto size) {
    constexpr int kTile = decltype(size)::kTile;
    return launch(kName, sums_of_gradients<X, kTile>, tile_geometry<X, kTile>(tiles.row_tiles + column_tiles, 1),
                  queue.stream, tiles);
  });
}

template Fault gradient_tiles(const Queue &, int, bool, int, int, const GradientTiles<f16> &);
template Fault gradient_tiles(const Queue &, int, bool, int, int, const GradientTiles<float> &);
template Fault sum_tiles(const Queue &, int, bool, bool, SumTiles<f16>);
template Fault sum_tiles(const Queue &, int, bool, bool, SumTiles<float>);

}  // namespace simcse::cuda
