// The three products of a block of similarity_softmax, whose launches are all that the passes (similarity_softmax.cu and
// similarity_softmax_backward.cu: panels, copies, sums between blocks, memory) know of tensor cores.
//
// Here they are for every GPU, mma.sync and fmaf over similarity_tile.hpp. Others, for one architecture, take these same
// structs in place of the three functions, do with each product what similarity_logits.hpp says, and leave
//   row_parts     (ranges, row_pitch): a running sum for each row and range of columns, merged with those of the blocks
//                 before unless `first`; how columns are shared out between ranges is theirs
//   column_parts  (filled rows / tile * kWarpsDown, column_pitch): any number of rows a part, a function of the shape
//   g             (filled rows, pitch): coefficients times factor times both inverse lengths, 0 or times zeros in the
//                 filling
//   sums          of a row tile (splits, rows, hidden), of a column tile (columns, hidden), added up from 0 or onto what
//                 is there, each sum in an order of the shape alone
// The operands lie row by row in copies that are filled up to whole tiles of 64 or 128 (similarity_rows.hpp). Which
// terms the margin leaves out follows from the bits of the products, so that logits and coefficients come from the same
// instructions over the same order of the sum.
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

template <typename X>
struct GradientTiles {
  Matrix<X> rows, columns;
  Block block;
  int depth;
  float factor;  // temperature times what brings G into the range of X
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
template <typename X>
Fault logit_tiles(const Queue &queue, int tile, bool options, int rows, const LogitTiles<X> &tiles);
template <typename X>
Fault gradient_tiles(const Queue &queue, int tile, bool options, int rows, int columns, const GradientTiles<X> &tiles);
template <typename X>
Fault sum_tiles(const Queue &queue, int tile, bool of_rows, bool of_columns, SumTiles<X> tiles);

}  // namespace simcse::cuda
