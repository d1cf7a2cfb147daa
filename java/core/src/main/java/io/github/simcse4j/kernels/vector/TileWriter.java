package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.GemmEpilogue.Kind;
import jdk.incubator.vector.FloatVector;

/**
 * Computes the tiles of a matrix product and takes them to the result, through the epilogue. A
 * whole tile of a first block of K is written straight to the result, where the epilogue finds it
 * in the first-level cache; any other goes through scratch.
 *
 * @param c the result
 * @param stride numbers from a row of the result to the next
 * @param bias one number a column, or 0 for none
 * @param preActivation where to keep product + bias, laid out as the result, or 0
 */
record TileWriter(long c, long stride, Kind kind, long bias, long preActivation) {

  /**
   * Which part of the result a tile is.
   *
   * @param row first row
   * @param column first column
   * @param rows how many of the tile's rows the result has
   * @param columns how many of the tile's columns the result has
   * @param first whether this is the first block of K, before which the result holds nothing
   * @param last whether this is the last block of K, after which the epilogue is due
   */
  record Place(int row, int column, int rows, int columns, boolean first, boolean last) {}

  /**
   * Computes and writes one tile.
   *
   * @param a panel (depth, ROWS)
   * @param b panel (depth, COLUMNS)
   * @param scratch ROWS x COLUMNS numbers
   */
  void compute(long a, long b, int depth, Place place, long scratch) {
    long to = at(c, place.row() * stride + place.column());
    boolean adds = !place.first() || kind == Kind.ACCUMULATE;
    boolean whole = place.rows() == ROWS && place.columns() == COLUMNS;
    if (whole && !adds) {
      MicroKernel.tile(a, b, depth, to, stride * Float.BYTES);
      finish(to, stride, place);
      return;
    }
    MicroKernel.tile(a, b, depth, scratch, COLUMNS * Float.BYTES);
    if (adds) {
      add(scratch, to, place.rows(), place.columns());
    }
    finish(scratch, COLUMNS, place);
    store(scratch, COLUMNS, to, place.rows(), place.columns());
  }

  /** The epilogue on a tile in place. */
  private void finish(long tile, long tileStride, Place place) {
    if (!place.last() || bias == 0) {
      return;
    }
    addBias(tile, tileStride, at(bias, place.column()), place.columns());
    if (preActivation != 0) {
      long kept = at(preActivation, place.row() * stride + place.column());
      store(tile, tileStride, kept, place.rows(), place.columns());
    }
    for (int i = 0; i < ROWS && kind != Kind.BIAS; i++) {
      long row = at(tile, i * tileStride);
      if (kind == Kind.BIAS_GELU) {
        VectorMath.gelu(row, COLUMNS);
      } else {
        VectorMath.tanh(row, COLUMNS);
      }
    }
  }

  private void add(long tile, long from, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      long row = at(from, i * stride);
      long sum = at(tile, i * COLUMNS);
      for (int j = 0; j < COLUMNS; j += LANES) {
        Floats.store(load(row, j, columns).add(load(at(sum, j))), at(sum, j));
      }
    }
  }

  private static void addBias(long tile, long tileStride, long bias, int columns) {
    FloatVector left = load(bias, 0, columns);
    FloatVector right = load(bias, LANES, columns);
    for (int i = 0; i < ROWS; i++) {
      Floats.store(load(tile).add(left), tile);
      Floats.store(load(at(tile, LANES)).add(right), at(tile, LANES));
      tile = at(tile, tileStride);
    }
  }

  private void store(long tile, long tileStride, long to, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      long row = at(to, i * stride);
      long from = at(tile, i * tileStride);
      for (int j = 0; j < columns; j += LANES) {
        Floats.store(load(at(from, j)), row, j, columns);
      }
    }
  }
}
