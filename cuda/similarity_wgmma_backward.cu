// G = d loss / d products of a block into scratch memory, and sums over G times vectors, by wgmma.
#include "similarity_wgmma.hpp"

namespace simcse::cuda {

namespace {

constexpr char kName[] = "similarity_softmax_backward";

// --- G ---

constexpr int kLogitWidth = kWgmmaLogitColumns;

#if SIMT_SM90A

SIMT_DEVICE void produce(const GradientTiles<f16> &a, int row_tiles, int items, Ring<kLogitWidth> &ring) {
  if (!copies()) return;
  for (int item = block_x(); item < items; item += grid_x()) {
    copy_vectors(ring, a.rows, a.columns, item % row_tiles * kWgmmaRows, item / row_tiles * kLogitWidth, a.depth);
  }
}

// Of four lanes that are neighbours, each with a word of four chunks of 16 bytes, every lane gets one chunk.
SIMT_DEVICE Words<4> chunk_of_words(const uint32_t (&w)[4]) {
  const bool high = (lane() & 2) != 0, odd = (lane() & 1) != 0;
  uint32_t low_lanes[2], high_lanes[2];  // words of the two chunks that this pair of lanes keeps, by who had them
  SIMT_UNROLL for (int i = 0; i < 2; i++) {
    const uint32_t taken = shuffle_xor(high ? w[i] : w[i + 2], 2);
    low_lanes[i] = high ? taken : w[i];
    high_lanes[i] = high ? w[i + 2] : taken;
  }
  const uint32_t from_low = shuffle_xor(odd ? low_lanes[0] : low_lanes[1], 1);
  const uint32_t from_high = shuffle_xor(odd ? high_lanes[0] : high_lanes[1], 1);
  if (odd) return {{from_low, low_lanes[1], from_high, high_lanes[1]}};
  return {{low_lanes[0], from_low, high_lanes[0], from_high}};
}

template <bool kOptions>
SIMT_DEVICE void store_gradients(const GradientTiles<f16> &a, const float (&product)[kLogitWidth / 2], int first_row,
                                 int first_column) {
  Member of_rows[2];
  int rows[2], targets[2];
  SIMT_UNROLL for (int r = 0; r < 2; r++) {
    rows[r] = first_row + sum_row(r);
    of_rows[r] = member<kOptions>(a.block.rows, rows[r]);
    targets[r] = target_of(a.block, rows[r]);
  }
  SIMT_UNROLL for (int c = 0; c < kLogitWidth / 4; c += 8) {
    uint32_t words[2][4];
    SIMT_UNROLL for (int i = 0; i < 4; i++) {
      float g[2][2];
      SIMT_UNROLL for (int k = 0; k < 2; k++) {
        const int column = first_column + sum_column(c + 2 * i + k);
        const Member of_column = member<kOptions>(a.block.columns, column);
        SIMT_UNROLL for (int r = 0; r < 2; r++) {
          g[r][k] = gradient_of<f16, kOptions>(a.block, of_rows[r], of_column, product[sum_index(r, c + 2 * i + k)],
                                               rows[r], column, targets[r], a.factor);
        }
      }
      SIMT_UNROLL for (int r = 0; r < 2; r++) words[r][i] = pack_f16(g[r][0], g[r][1]);
    }
    const int column = first_column + 4 * c + lane() % 4 * 8;
    SIMT_UNROLL for (int r = 0; r < 2; r++) {
      store_words<4>(a.g + swizzled_place(rows[r], column, a.pitch), chunk_of_words(words[r]));
    }
  }
}

#endif

template <bool kOptions>
SIMT_KERNEL(kWgmmaThreads, 1) gradient_of_products(GradientTiles<f16> a, int row_tiles, int items) {
#if SIMT_SM90A
  Ring<kLogitWidth> ring;
  ring.start();
  if (is_producer()) return produce(a, row_tiles, items, ring);
  float product[kLogitWidth / 2];
  for (int item = block_x(); item < items; item += grid_x()) {
    multiply<kLogitWidth, false, false>(product, ring, a.depth / kWgmmaDepth);
    store_gradients<kOptions>(a, product, item % row_tiles * kWgmmaRows, item / row_tiles * kLogitWidth);
  }
#endif
}

// --- sums over G ---

// What a block does at a time: a tile of sums of rows, over a part of G's columns, or one of columns, over all rows.
template <int kWidth>
struct SumTile {
  bool of_rows;
  int split, first, first_column, depth, steps;
  SIMT_DEVICE SumTile(const SumTiles<f16> &a, int item) {
    const int across = a.hidden / kWidth;
    of_rows = item < a.row_tiles;
    const int tile = of_rows ? item : item - a.row_tiles;
    first_column = tile % across * kWidth;
    const int down = of_rows ? a.rows / kWgmmaRows : a.columns / kWgmmaRows;
    first = tile / across % down * kWgmmaRows;
    split = tile / across / down;
    const int all = (of_rows ? a.columns : a.rows) / kWgmmaDepth;
    const int most = of_rows ? (all + a.splits - 1) / a.splits : all;
    depth = split * most * kWgmmaDepth;
    steps = all - split * most < most ? all - split * most : most;
  }
};

#if SIMT_SM90A

template <int kWidth>
SIMT_DEVICE void store_sums(const float (&sum)[kWidth / 2], float *to, int64_t pitch, bool add) {
  SIMT_UNROLL for (int r = 0; r < 2; r++) {
    SIMT_UNROLL for (int c = 0; c < kWidth / 4; c += 2) {
      float *const at = to + sum_row(r) * pitch + sum_column(c);
      Words<2> pair = {{0, 0}};
      if (add) pair = load_words<2>(at);
      SIMT_UNROLL for (int k = 0; k < 2; k++) {
        pair.word[k] = bits_of_float(sum[sum_index(r, c + k)] + float_of_bits(pair.word[k]));
      }
      store_words<2>(at, pair);
    }
  }
}

// A part of the sum that has no columns.
template <int kWidth>
SIMT_DEVICE void store_zeros(float *to, int64_t pitch) {
  for (int i = thread(); i < kWgmmaRows * kWidth; i += kConsumers * kWarpgroup) to[i / kWidth * pitch + i % kWidth] = 0;
}

template <int kWidth>
SIMT_DEVICE void produce_sums(const SumTiles<f16> &a, int items, Ring<kWidth> &ring) {
  if (!copies()) return;
  for (int item = block_x(); item < items; item += grid_x()) {
    const SumTile<kWidth> tile(a, item);
    SIMT_ROLLED for (int step = 0; step < tile.steps; step++) {
      const int depth = tile.depth + step * kWgmmaDepth;
      Mbarrier *const full = ring.fill();
      if (tile.of_rows) {
        copy_operand<kWgmmaRows, false>(ring.rows(), a.g, tile.first, depth, full);
      } else {
        copy_operand<kWgmmaRows, true>(ring.rows(), a.g, tile.first, depth, full);
      }
      copy_operand<kWidth, true>(ring.columns(), tile.of_rows ? a.column_vectors : a.row_vectors, tile.first_column,
                                 depth, full);
      ring.next();
    }
  }
}

#endif

template <int kWidth>
SIMT_KERNEL(kWgmmaThreads, 1) sums_of_gradients(SumTiles<f16> a, int items) {
#if SIMT_SM90A
  Ring<kWidth> ring;
  ring.start();
  if (is_producer()) return produce_sums<kWidth>(a, items, ring);
  float sum[kWidth / 2];
  for (int item = block_x(); item < items; item += grid_x()) {
    const SumTile<kWidth> tile(a, item);
    const int64_t at = (int64_t)tile.first * a.hidden + tile.first_column;
    if (tile.steps <= 0) {
      if (!a.add_rows) store_zeros<kWidth>(a.row_sums + tile.split * a.stride + at, a.hidden);
    } else if (tile.of_rows) {
      multiply<kWidth, false, true>(sum, ring, tile.steps);
      store_sums<kWidth>(sum, a.row_sums + tile.split * a.stride + at, a.hidden, a.add_rows);
    } else {
      multiply<kWidth, true, true>(sum, ring, tile.steps);
      store_sums<kWidth>(sum, a.column_sums + at, a.hidden, a.add_columns);
    }
  }
#endif
}

}  // namespace

Fault wgmma_gradient_tiles(const Queue &queue, bool options, int rows, int columns, const GradientTiles<f16> &tiles) {
  const int row_tiles = rows / kWgmmaRows;
  const int items = row_tiles * (columns / kLogitWidth);
  return launch(kName, options ? gradient_of_products<true> : gradient_of_products<false>,
                wgmma_geometry(items, multiprocessors()), queue.stream, tiles, row_tiles, items);
}

Fault wgmma_sum_tiles(const Queue &queue, int width, bool of_rows, bool of_columns, SumTiles<f16> tiles) {
  const int across = tiles.hidden / width;
  tiles.row_tiles = of_rows ? tiles.splits * (tiles.rows / kWgmmaRows) * across : 0;
  const int items = tiles.row_tiles + (of_columns ? tiles.columns / kWgmmaRows * across : 0);
  return launch(kName, width == 256 ? sums_of_gradients<256> : sums_of_gradients<128>,
                wgmma_geometry(items, multiprocessors()), queue.stream, tiles, items);
}

}  // namespace simcse::cuda
