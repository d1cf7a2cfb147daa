// Panels of B, and regions of C = epilogue(op(A) op(B)), as in Goto and van de Geijn (2008): panels of B in the second
// cache, a tile of rows of A in the first, tiles of C in registers.
#include "gemm_block.hpp"

#include "gemm_epilogue.hpp"
#include "gemm_operands.hpp"

namespace simcse::cpu::SIMCSE_TIER {

namespace {

// One block of k of a region.
struct Step {
  const Product &product;
  const Output &output;
  const Region &region;
  Shape shape;
  int64_t words;  // of k in all
  int64_t panels;
  int64_t p, depth;
  bool first, last;
  const float *packed_b;
  float *packed_a;
  float *stage;    // one tile of C
  float *partial;  // [tile of rows][panel][height][width] sums of earlier blocks
};

// to (rows, width) = or += the product of a tile of A and a panel of B.
struct Multiply {
  const float *a;
  int64_t lda;
  int64_t depth;
  int rows;
  bool tiles;
  Kernel kernel;

  Multiply(const Product &product, const TileOfA &tile, const float *packed)
      : a(packed), lda(0), depth(tile.depth), rows(tile.rows), tiles(on_tiles(product)), kernel(nullptr) {
#if SIMCSE_TILES
    if (tiles) {
      lda = 4 * kTilesRowStride;
      if (in_place(product, tile)) {
        lda = 2 * product.a.ld;
        a = (const float *)((const char *)product.a.data + tile.row * lda + 4 * tile.p);
      }
      return;
    }
#endif
    constexpr bool kDot = kPairs && !SIMCSE_TILES;
    bool dot = dots(product);
    if (product.a.transposed) {
      kernel = dot ? kernel_for<false, kDot>(rows) : kernel_for<false, false>(rows);
    } else {
      kernel = dot ? kernel_for<true, kDot>(rows) : kernel_for<true, false>(rows);
    }
  }

  void operator()(const float *b, float *to, int64_t ld, bool add, Ahead &ahead) const {
#if SIMCSE_TILES
    if (tiles) {
      ahead.fetch();
      if (rows > kTileRows) return tiles_kernel<2>((const char *)a, lda, b, depth, to, ld, add);
      return tiles_kernel<1>((const char *)a, lda, b, depth, to, ld, add);
    }
#endif
    kernel(a, b, depth, to, ld, add, ahead);
  }

  // Rows of `to` that are written.
  int height() const {
#if SIMCSE_TILES
    if (tiles) return rows > kTileRows ? 2 * kTileRows : kTileRows;
#endif
    return rows;
  }
};

// The sum goes into C itself, where that holds floats and takes nothing but the sum.
bool sums_in_c(const Output &output) {
  return !output.bf16_c &&
         (output.epilogue == SIMCSE_EPILOGUE_STORE || output.epilogue == SIMCSE_EPILOGUE_ACCUMULATE);
}

void copy_tile(const float *from, int64_t from_ld, float *to, int64_t to_ld, int rows, int columns) {
  for (int i = 0; i < rows; i++) memcpy(to + i * to_ld, from + i * from_ld, 4 * (size_t)columns);
}

// A tile of C, computed in C or, at its edges, in a copy.
void multiply_in_c(const Step &step, const Multiply &multiply, const float *b, int64_t row, int64_t column,
                   int columns, Ahead &ahead) {
  bool add = !step.first || step.output.epilogue == SIMCSE_EPILOGUE_ACCUMULATE;
  int64_t ldc = step.output.ldc, width = step.shape.width;
  float *c = (float *)step.output.c + row * ldc + column;
  if (columns == width && multiply.height() == multiply.rows) return multiply(b, c, ldc, add, ahead);
  if (add) copy_tile(c, ldc, step.stage, width, multiply.rows, columns);
  multiply(b, step.stage, width, add, ahead);
  copy_tile(step.stage, width, c, ldc, multiply.rows, columns);
}

// Brings what the epilogue of a tile reads nearer while the tile is summed.
void fetch_for_epilogue(const Step &step, int64_t row, int rows, int64_t column, int columns) {
  const char *from = nullptr;
  bool narrow = step.output.bf16_c;
  if (step.output.epilogue == SIMCSE_EPILOGUE_BIAS_RESIDUAL && step.last) from = (const char *)step.output.residual;
  if (step.output.epilogue == SIMCSE_EPILOGUE_ACCUMULATE && step.first) from = (const char *)step.output.c;
  if (step.output.epilogue == SIMCSE_EPILOGUE_GELU_BACKWARD && step.last) {
    from = (const char *)step.output.pre_activation;
    narrow = step.product.bf16_operands;
  }
  if (from == nullptr) return;
  int64_t size = narrow ? 2 : 4;
  for (int i = 0; i < rows; i++) {
    const char *line = from + ((row + i) * step.output.ldc + column) * size;
    for (int64_t at = 0; at < columns * size; at += 64) __builtin_prefetch(line + at);
  }
}

// The tile of A that is wanted after this one: the next rows, else the same region's next words, else the next region.
Ahead next_of(const Step &step, const TileOfA &tile) {
  if (step.product.a.transposed || step.depth == 0) return Ahead();
  const Region &region = step.region;
  TileOfA next = {tile.row + tile.rows, step.shape.height, tile.p, tile.depth};
  if (next.row == region.row + region.rows) {
    next.p = step.last ? 0 : step.p + step.depth;
    if (!step.last) next.row = region.row;
  }
  next.rows = (int)smaller(next.rows, step.product.m - next.row);
  next.depth = smaller(next.depth, step.words - next.p);
  int64_t turns = on_tiles(step.product) ? 1 : quotient_up(tile.depth, kTurn);
  return next.rows > 0 ? ahead_of(step.product, next, step.panels * turns) : Ahead();
}

void multiply_rows(const Step &step, const TileOfA &tile, const float *packed_a, float *partial) {
  Multiply multiply(step.product, tile, packed_a);
  Ahead ahead = next_of(step, tile);
  int64_t width = step.shape.width;
  for (int64_t panel = 0; panel < step.panels; panel++) {
    int64_t column = step.region.column + panel * width;
    int columns = (int)smaller(width, step.region.column + step.region.columns - column);
    const float *b = step.packed_b + (column / width * step.words + step.p) * width;
    fetch_for_epilogue(step, tile.row, tile.rows, column, columns);
    if (sums_in_c(step.output)) {
      multiply_in_c(step, multiply, b, tile.row, column, columns, ahead);
      continue;
    }
    float *to = step.first && step.last ? step.stage : partial + panel * step.shape.height * width;
    multiply(b, to, width, !step.first, ahead);
    if (step.last) {
      finish(step.output, step.product.bf16_operands, {to, width, tile.row, column, tile.rows, columns});
    }
  }
}

void multiply_step(const Step &step) {
  int64_t height = step.shape.height, group = tiles_packed(step.product) * height;
  float *partial = step.partial;
  for (int64_t i = 0; i < step.region.rows; i += height) {
    TileOfA tile = {step.region.row + i, (int)smaller(height, step.region.rows - i), step.p, step.depth};
    if (i % group == 0) {
      TileOfA packed = tile;
      packed.rows = (int)smaller(group, step.region.rows - i);
      pack_tiles(step.product, packed, step.packed_a);
    }
    multiply_rows(step, tile, step.packed_a + i % group / height * tile_size(step.product), partial);
    partial += step.panels * height * step.shape.width;
  }
}

}  // namespace

Shape gemm_shape(bool bf16_operands) {
#if SIMCSE_TILES
  if (bf16_operands) return {kTilesHeight, kTilesWidth, kTilesDepth, kTilesAlignment};
#endif
  (void)bf16_operands;
  return {kHeight, kWidth, kDepth, 1};
}

int64_t panel_count(const Product &product) {
  return quotient_up(product.n, gemm_shape(product.bf16_operands).width);
}

int64_t panel_bytes(const Product &product) {
  return words_of_k(product) * gemm_shape(product.bf16_operands).width * 4;
}

void pack_panels(const Product &product, int64_t first, int64_t end, char *packed) {
  float *to = (float *)packed;
  bool transposed = product.b.transposed;
  if (!product.bf16_operands) {
    transposed ? pack_panels_transposed<Word::kFloats>(product, first, end, to)
               : pack_panels_by_row<Word::kFloats>(product, first, end, to);
  } else if (!dots(product)) {
    transposed ? pack_panels_transposed<Word::kWidened>(product, first, end, to)
               : pack_panels_by_row<Word::kWidened>(product, first, end, to);
  } else {
    transposed ? pack_panels_transposed<Word::kPairsAlong>(product, first, end, to)
               : pack_panels_by_row<Word::kPairsDown>(product, first, end, to);
  }
}

int64_t region_scratch(const Product &product, int64_t rows, int64_t columns) {
  Shape shape = gemm_shape(product.bf16_operands);
  int64_t down = quotient_up(rows, shape.height), across = quotient_up(columns, shape.width);
  int64_t tiles = words_of_k(product) > shape.depth ? down * across + 1 : 1;
  return 4 * (tiles_packed(product) * tile_size(product) + tiles * shape.height * shape.width);
}

void multiply_region(const Product &product, const Output &output, const Region &region, const char *packed,
                     char *scratch) {
  Shape shape = gemm_shape(product.bf16_operands);
  int64_t words = words_of_k(product), depth = depth_of_block(product);
  float *packed_a = (float *)scratch;
  float *stage = packed_a + tiles_packed(product) * tile_size(product);
  Step step = {product,
               output,
               region,
               shape,
               words,
               quotient_up(region.columns, shape.width),
               0,
               depth,
               true,
               false,
               (const float *)packed,
               packed_a,
               stage,
               stage + shape.height * shape.width};
#if SIMCSE_TILES
  if (on_tiles(product)) tile_configure();
#endif
  while (!step.last) {
    step.depth = smaller(depth, words - step.p);
    step.last = step.p + step.depth == words;
    multiply_step(step);
    step.first = false;
    step.p += step.depth;
  }
#if SIMCSE_TILES
  if (on_tiles(product)) tile_release();
#endif
}

}  // namespace simcse::cpu::SIMCSE_TIER
