package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.address;
import static io.github.simcse4j.kernels.vector.Floats.addressOrNull;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.GemmEpilogue.Kind;
import io.github.simcse4j.tensor.Tensor;
import jdk.incubator.vector.FloatVector;

/**
 * Computes the tiles of a matrix product and takes them to the result, through the epilogue. A
 * whole tile of a first block of K is written straight to the result, where the epilogue finds it
 * in the first-level cache; any other goes through scratch.
 *
 * @param c the result
 * @param stride numbers from a row of the result to the next
 * @param bias one number a column, or 0 for none
 * @param preActivation where to keep product + bias, or where it was kept, laid out as the result,
 *     or 0
 * @param addend what the first block of K is added to, laid out as the result and maybe the result
 *     itself, or 0
 */
record TileWriter(long c, long stride, Kind kind, long bias, long preActivation, long addend) {

  /** Numbers of scratch that a tile takes: as many as it has, and a row more. */
  static final int SCRATCH = (ROWS + 1) * COLUMNS;

  static TileWriter of(Tensor c, GemmEpilogue epilogue) {
    Tensor addend = epilogue.kind() == Kind.ACCUMULATE ? c : epilogue.residual();
    return new TileWriter(
        address(c),
        c.extent(1),
        epilogue.kind(),
        addressOrNull(epilogue.bias()),
        addressOrNull(epilogue.preActivation()),
        addressOrNull(addend));
  }

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
   * @param scratch SCRATCH numbers
   */
  void compute(long a, long b, int depth, Place place, long scratch) {
    long offset = place.row() * stride + place.column();
    long to = at(c, offset);
    long before = place.first() ? addend : c;
    boolean whole = place.rows() == ROWS && place.columns() == COLUMNS;
    if (whole && before == 0) {
      MicroKernel.tile(a, b, depth, to, stride * Float.BYTES);
      finish(to, stride, place, scratch);
      return;
    }
    MicroKernel.tile(a, b, depth, scratch, COLUMNS * Float.BYTES);
    if (before != 0) {
      add(scratch, at(before, offset), place.rows(), place.columns());
    }
    finish(scratch, COLUMNS, place, at(scratch, ROWS * COLUMNS));
    store(scratch, COLUMNS, to, place.rows(), place.columns());
  }

  /** The epilogue on a tile in place, with room for a row. */
  private void finish(long tile, long tileStride, Place place, long row) {
    if (!place.last() || kind == Kind.STORE || kind == Kind.ACCUMULATE) {
      return;
    }
    if (kind == Kind.GELU_BACKWARD) {
      multiplyBySlopes(tile, tileStride, place, row);
      return;
    }
    addBias(tile, tileStride, at(bias, place.column()), place.columns());
    if (preActivation != 0) {
      long kept = at(preActivation, place.row() * stride + place.column());
      store(tile, tileStride, kept, place.rows(), place.columns());
    }
    for (int i = 0; i < ROWS; i++) {
      long line = at(tile, i * tileStride);
      if (kind == Kind.BIAS_GELU) {
        VectorMath.gelu(line, COLUMNS);
      } else if (kind == Kind.BIAS_TANH) {
        VectorMath.tanh(line, COLUMNS);
      }
    }
  }

  private void multiplyBySlopes(long tile, long tileStride, Place place, long row) {
    for (int i = 0; i < place.rows(); i++) {
      long kept = at(preActivation, (place.row() + i) * stride + place.column());
      for (int j = 0; j < COLUMNS; j += LANES) {
        Floats.store(load(kept, j, place.columns()), at(row, j));
      }
      VectorMath.geluBackward(row, at(tile, i * tileStride), COLUMNS);
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
