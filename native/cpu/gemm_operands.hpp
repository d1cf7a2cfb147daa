// The operands of a matrix product: their size in words, panels of B, tiles of rows of A and the fetch of the next.
#pragma once

#include "gemm_block.hpp"
#include "gemm_kernel.hpp"
#include "gemm_pack.hpp"
#if SIMCSE_TILES
#include "gemm_tiles.hpp"
#endif

namespace simcse::cpu::SIMCSE_TIER {

SIMCSE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

SIMCSE_INLINE int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

SIMCSE_INLINE int64_t round_up(int64_t a, int64_t b) { return quotient_up(a, b) * b; }

SIMCSE_INLINE bool dots(const Product &product) { return kPairs && product.bf16_operands; }

SIMCSE_INLINE bool on_tiles(const Product &product) { return SIMCSE_TILES && dots(product); }

SIMCSE_INLINE int64_t words_of_k(const Product &product) {
  int64_t words = dots(product) ? (product.k + 1) / 2 : product.k;
  return round_up(words, gemm_shape(product.bf16_operands).alignment);
}

// The sum over k in equal blocks of whole `alignment`s.
SIMCSE_INLINE int64_t depth_of_block(const Product &product) {
  Shape shape = gemm_shape(product.bf16_operands);
  int64_t words = words_of_k(product);
  int64_t blocks = words > shape.depth ? quotient_up(words, shape.depth) : 1;
  return round_up(quotient_up(words, blocks), shape.alignment);
}

template <Word kWords>
SIMCSE_INLINE Source<kWords> source(const Matrix &matrix, int64_t rows, int64_t columns) {
  return {(const char *)matrix.data, matrix.ld, rows, columns};
}

// --- B ---

// Rows that are copied for every panel or tile before the next ones are touched, so that their pages stay known to the
// processor; the next ones are fetched meanwhile.
constexpr int64_t kPackedRows = 16;

template <Word kWords>
static void pack_panels_by_row(const Product &product, int64_t first, int64_t end, float *packed) {
  Source<kWords> from = source<kWords>(product.b, product.k, product.n);
  int64_t words = words_of_k(product), width = gemm_shape(product.bf16_operands).width;
  for (int64_t r = 0; r < words; r += kPackedRows) {
    for (int64_t panel = first; panel < end; panel++) {
      pack_rows(from, r, smaller(kPackedRows, words - r), panel * width, width, packed + (panel * words + r) * width,
                width, kPackedRows);
    }
  }
}

template <Word kWords>
static void pack_panels_transposed(const Product &product, int64_t first, int64_t end, float *packed) {
  Source<kWords> from = source<kWords>(product.b, product.n, product.k);
  int64_t words = words_of_k(product), width = gemm_shape(product.bf16_operands).width;
  for (int64_t panel = first; panel < end; panel++) {
    pack_transposed(from, panel * width, width, 0, words, packed + panel * words * width, width);
  }
}

// --- A ---

// Rows of op(A), and words of k.
struct TileOfA {
  int64_t row;
  int rows;
  int64_t p, depth;
};

// Tiles that are packed at once: several where their rows are short pieces of A's.
SIMCSE_INLINE int64_t tiles_packed(const Product &product) {
  return product.a.transposed && !on_tiles(product) ? 8 : 1;
}

// Words that a packed tile takes.
SIMCSE_INLINE int64_t tile_size(const Product &product) {
#if SIMCSE_TILES
  if (on_tiles(product)) return (int64_t)kTilesHeight * kTilesRowStride;
#endif
  return product.a.transposed ? (int64_t)kDepth * kAcross : (int64_t)kHeight * kRowStride;
}

template <Word kWords>
static void pack_by_row(const Product &product, const TileOfA &tile, float *to) {
  Source<kWords> from = source<kWords>(product.a, product.m, product.k);
  pack_rows(from, tile.row, tile.rows, tile.p, tile.depth, to, kRowStride, 0);
}

// Tiles side by side in memory, a few words of all of them before the next.
template <Word kWords>
static void pack_by_word(const Product &product, const TileOfA &tiles, float *to) {
  Source<kWords> from = source<kWords>(product.a, product.k, product.m);
  for (int64_t r = 0; r < tiles.depth; r += kPackedRows) {
    float *tile = to + r * kAcross;
    for (int64_t i = 0; i < tiles.rows; i += kHeight) {
      pack_rows(from, tiles.p + r, smaller(kPackedRows, tiles.depth - r), tiles.row + i, kAcross, tile, kAcross,
                kPackedRows);
      tile += tile_size(product);
    }
  }
}

#if SIMCSE_TILES

// Rows beyond the tile's own become 0, because the unit multiplies whole tiles.
static void pack_for_tiles(const Product &product, const TileOfA &tile, float *to) {
  int64_t end = tile.row + tile.rows;
  if (product.a.transposed) {
    Source<Word::kPairsDown> from = source<Word::kPairsDown>(product.a, product.k, end);
    pack_transposed(from, tile.p, tile.depth, tile.row, kTilesHeight, to, kTilesRowStride);
  } else {
    pack_rows(source<Word::kPairsAlong>(product.a, end, product.k), tile.row, kTilesHeight, tile.p, tile.depth, to,
              kTilesRowStride, 0);
  }
}

// Where A needs no packing: whole tiles of rows, and no word of k that would read beyond a row.
SIMCSE_INLINE bool in_place(const Product &product, const TileOfA &tile) {
  return on_tiles(product) && !product.a.transposed && tile.rows % kTileRows == 0 &&
         product.k % (2 * kTilesAlignment) == 0;
}

#endif

// The tile, or where A is stored (k, m) several at once.
static void pack_tiles(const Product &product, const TileOfA &tile, float *to) {
#if SIMCSE_TILES
  if (in_place(product, tile)) return;
  if (on_tiles(product)) return pack_for_tiles(product, tile, to);
#endif
  bool down = product.a.transposed;
  if (!product.bf16_operands) {
    down ? pack_by_word<Word::kFloats>(product, tile, to) : pack_by_row<Word::kFloats>(product, tile, to);
  } else if (!dots(product)) {
    down ? pack_by_word<Word::kWidened>(product, tile, to) : pack_by_row<Word::kWidened>(product, tile, to);
  } else {
    down ? pack_by_word<Word::kPairsDown>(product, tile, to) : pack_by_row<Word::kPairsAlong>(product, tile, to);
  }
}

// A tile of A where it is stored by rows, in so many turns.
static Ahead ahead_of(const Product &product, const TileOfA &tile, int64_t turns) {
  int64_t size = product.bf16_operands ? 2 : 4, pair = dots(product) ? 2 : 1;
  Ahead ahead;
  ahead.stride = product.a.ld * size;
  ahead.data = (const char *)product.a.data + tile.row * ahead.stride + pair * tile.p * size;
  ahead.rows = tile.rows;
  ahead.bytes = smaller(pair * tile.depth, product.k - pair * tile.p) * size;
  ahead.lines = quotient_up(quotient_up(ahead.bytes, 64) * ahead.rows, turns);
  return ahead;
}

}  // namespace simcse::cpu::SIMCSE_TIER
