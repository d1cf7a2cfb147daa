// The products of a block of similarity_softmax. Their launches are all that the two passes (panels, copies, sums
// between blocks, memory: similarity_softmax.cu, similarity_softmax_backward.cu) know of tensor cores.
//
// Here they are for every GPU: mma.sync and fmaf, over similarity_tile.hpp. Other instructions, of one architecture,
// take the same structs in other functions, do with each product what similarity_logits.hpp says (where no function
// knows which thread has which element), and leave
//   row_parts     (ranges, row_pitch): a running sum for each row and range of columns, merged with those of the blocks
//                 before unless `first`; which columns make a range is theirs
//   column_parts  (filled rows / tile * kWarpsDown, column_pitch): a running sum for each column and part of the rows;
//                 which rows make a part is theirs
//   g             (filled rows, pitch): gradient_of each product
//   row_sums, column_sums: all of them, from 0 or onto what is there, each in an order of the shape alone
// Operands lie row by row, and are filled up to whole tiles (similarity_rows.hpp): f16 in multiples of 64 vectors and
// 64 columns, of which bulk copies can be made. What a margin leaves out follows from the bits of the products: logits,
// limits and gradients must come from the same instructions, over the same order of the sum.
#pragma once

#include "similarity_logits.hpp"
#include "similarity_tile.hpp"

namespace simcse::cuda {

template <typename X>
struct LogitTiles {
  Matrix<X> rows, columns;
  Block block;
  int depth;           // columns of the copies
  int tiles_of_range;  // of columns, for a block of threads
  int ranges;
  bool first;          // block of these rows
  RunningSum *row_parts;
  int row_pitch;
  RunningSum *column_parts;  // null where columns are no anchors
  int column_pitch;
  float *target_logits;  // (rows)
};

// Of each row and the column of the same number, its positive: the limit of an anchor.
template <typename X>
struct LimitTiles {
  Matrix<X> rows, columns;
  Block block;
  int depth;
  float margin;
  float *limits;  // (rows)
};

template <typename X>
struct GradientTiles {
  Matrix<X> rows, columns;
  Block block;
  int depth;
  float factor;  // of gradient_of: what brings G into the range of X
  X *g;
  int64_t pitch;
};

template <typename X>
struct SumTiles {
  Matrix<X> g, row_vectors, column_vectors;
  int rows, columns;     // of G, filled up
  int hidden;            // of the copies
  int row_tiles;         // blocks of threads that make sums of rows; the rest make those of columns
  int splits;            // of the sum over columns
  float *row_sums;       // (splits, rows, hidden), with `stride` between splits
  int64_t stride;
  float *column_sums;    // (columns, hidden)
  bool add_rows, add_columns;
};

// `options` as the shape's plain() says not. Rows and columns as they are filled up.

// By wgmma, on sm_90a alone: operands lie as similarity_swizzled.hpp says, filled up to multiples of 256 vectors. A
// margin needs the same width of tiles for logits, limits and gradients.
constexpr int kWgmmaLogitColumns = 256;
Fault wgmma_logit_tiles(const Queue &queue, bool options, int rows, const LogitTiles<f16> &tiles);
Fault wgmma_limit_tiles(const char *name, const Queue &queue, int rows, const LimitTiles<f16> &tiles);
Fault wgmma_gradient_tiles(const Queue &queue, bool options, int rows, int columns, const GradientTiles<f16> &tiles);
Fault wgmma_sum_tiles(const Queue &queue, int width, bool of_rows, bool of_columns, SumTiles<f16> tiles);

// By mma.sync and fmaf.
template <typename X>
Fault logit_tiles(const Queue &queue, int tile, bool options, int rows, const LogitTiles<X> &tiles);
template <typename X>
Fault limit_tiles(const char *name, const Queue &queue, int tile, int rows, const LimitTiles<X> &tiles);
template <typename X>
Fault gradient_tiles(const Queue &queue, int tile, bool options, int rows, int columns, const GradientTiles<X> &tiles);
template <typename X>
Fault sum_tiles(const Queue &queue, int tile, bool of_rows, bool of_columns, SumTiles<X> tiles);

}  // namespace simcse::cuda
