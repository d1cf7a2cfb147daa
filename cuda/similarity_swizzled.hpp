// How the operands of similarity_softmax lie in scratch memory where wgmma multiplies them: tiles of 128 rows and 64
// columns of f16, 16 KB each, row of tiles by row of tiles, and in a tile as shared memory is to have it: a row is 128
// bytes, in which 16 bytes have changed places (simt_sm90.hpp). So a tile, or its first or second 64 rows, is one copy
// of neighbouring bytes, and serves products along its rows as well as across.
#pragma once

#include "simt.hpp"

namespace simcse::cuda {

constexpr int kSwizzledTileRows = 128;
constexpr int kSwizzledTileColumns = 64;
constexpr int kSwizzledTile = kSwizzledTileRows * kSwizzledTileColumns;  // elements

// Of the tile's first element; `columns` of the matrix.
SIMT_DEVICE int64_t swizzled_tile(int row, int column, int64_t columns) {
  return (row / kSwizzledTileRows * (columns / kSwizzledTileColumns) + column / kSwizzledTileColumns) * kSwizzledTile;
}

SIMT_DEVICE int64_t swizzled_place(int row, int column, int64_t columns) {
  const int chunk = (column / 8 ^ row) & 7;
  return swizzled_tile(row, column, columns) + row % kSwizzledTileRows * kSwizzledTileColumns + chunk * 8 + column % 8;
}

}  // namespace simcse::cuda
