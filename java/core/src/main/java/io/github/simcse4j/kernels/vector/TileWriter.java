package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.VECTOR;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.GemmEpilogue.Kind;

/**
 * Takes the tiles of a matrix product to the result, through the epilogue. The tile lies in the
 * first-level cache, and each step is a pass over it: together they cost some hundredth of the
 * tile's multiply-adds.
 *
 * @param c the result
 * @param stride numbers from a row of the result to the next
 * @param bias one number a column, or 0 for none
 * @param preActivation where to keep product + bias, laid out as the result, or 0
 */
record TileWriter(long c, long stride, Kind kind, long bias, long preActivation) {

  /**
   * Writes one tile, whose content is lost.
   *
   * @param row first row in the result
   * @param column first column in the result
   * @param rows how many of the tile's rows the result has
   * @param columns how many of the tile's columns the result has
   * @param first whether this is the first block of K, before which the result holds nothing
   * @param last whether this is the last block of K, after which the epilogue is due
   */
  void write(long tile, int row, int column, int rows, int columns, boolean first, boolean last) {
    long to = at(c, row * stride + column);
    if (!first || kind == Kind.ACCUMULATE) {
      add(tile, to, stride, rows, columns);
    }
    if (last && bias != 0) {
      addBias(tile, at(bias, column), columns);
      if (preActivation != 0) {
        store(tile, at(preActivation, row * stride + column), stride, rows, columns);
      }
      switch (kind) {
        case BIAS_GELU -> VectorMath.gelu(tile, ROWS * COLUMNS);
        case BIAS_TANH -> VectorMath.tanh(tile, ROWS * COLUMNS);
        default -> {}
      }
    }
    store(tile, to, stride, rows, columns);
  }

  private static void add(long tile, long from, long stride, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      long row = at(from, i * stride);
      long sum = at(tile, i * COLUMNS);
      for (int j = 0; j < COLUMNS; j += LANES) {
        Floats.store(load(row, j, columns).add(load(at(sum, j))), at(sum, j));
      }
    }
  }

  private static void addBias(long tile, long bias, int columns) {
    for (int j = 0; j < COLUMNS; j += LANES) {
      var added = load(bias, j, columns);
      long sum = at(tile, j);
      for (int i = 0; i < ROWS; i++) {
        Floats.store(load(sum).add(added), sum);
        sum += 2 * VECTOR;
      }
    }
  }

  private static void store(long tile, long to, long stride, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      long row = at(to, i * stride);
      long from = at(tile, i * COLUMNS);
      for (int j = 0; j < columns; j += LANES) {
        Floats.store(load(at(from, j)), row, j, columns);
      }
    }
  }
}
