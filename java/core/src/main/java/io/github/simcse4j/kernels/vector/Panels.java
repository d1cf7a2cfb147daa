package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.VECTOR;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.padded;
import static io.github.simcse4j.kernels.vector.Floats.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Copies parts of a matrix into panels, the order in which {@link MicroKernel} reads them: for
 * every k the {@code width} numbers of one tile side by side. A panel has room for whole vectors
 * after its last number, so that packing writes nothing but whole vectors; places past the edge of
 * the matrix are 0.
 */
final class Panels {

  private static final VectorShuffle<Float> ZIP_LOW = VectorShuffle.makeZip(SPECIES, 0);
  private static final VectorShuffle<Float> ZIP_HIGH = VectorShuffle.makeZip(SPECIES, 1);

  /** Numbers of scratch that {@link #packRows} needs. */
  static final int ROWS_SCRATCH = 2 * LANES * LANES + LANES;

  private Panels() {}

  /** Numbers that a panel takes up, from its start to the start of the next. */
  static long size(int depth, int width) {
    return Scratch.aligned((long) padded(depth) * width + LANES);
  }

  /** Numbers that the panels over {@code extent} rows or columns take up. */
  static long size(int depth, int width, int extent) {
    return (extent + width - 1) / width * size(depth, width);
  }

  /**
   * Panels over columns that lie side by side: panel[k][i] = source[k][i].
   *
   * @param source first number to pack, in a row-major matrix
   * @param stride numbers from a row to the next
   * @param columns how many columns to pack, over as many panels as they fill
   */
  static void packColumns(
      long source, long stride, int columns, int depth, int width, long panels) {
    long panelBytes = size(depth, width) * Float.BYTES;
    for (int k = 0; k < depth; k++) {
      long row = at(source, k * stride);
      long panel = at(panels, (long) k * width);
      for (int start = 0; start < columns; start += width) {
        for (int i = 0; i < width; i += LANES) {
          store(load(row, start + i, columns), at(panel, i));
        }
        panel += panelBytes;
      }
    }
  }

  /**
   * Panels over rows: panel[k][i] = source[i][k], which transposes.
   *
   * @param source first number to pack, in a row-major matrix
   * @param stride numbers from a row to the next
   * @param rows how many rows to pack, over as many panels as they fill
   * @param scratch {@link #ROWS_SCRATCH} numbers
   */
  static void packRows(
      long source, long stride, int rows, int depth, int width, long panels, long scratch) {
    long panelNumbers = size(depth, width);
    Floats.zero(at(scratch, 2 * LANES * LANES), LANES);
    for (int start = 0; start < rows; start += width) {
      long panel = at(panels, start / width * panelNumbers);
      for (int i = start; i < start + width; i += LANES) {
        int valid = Math.clamp(rows - i, 0, Math.min(LANES, start + width - i));
        long block = at(source, i * stride);
        for (int k = 0; k < depth; k += LANES) {
          transpose(
              block,
              stride,
              valid,
              k,
              depth,
              at(panel, (long) k * width + i - start),
              width,
              scratch);
        }
      }
    }
  }

  /**
   * Transposes LANES x LANES numbers in log2(LANES) passes: each zips row r with row r + LANES / 2
   * into rows 2 r and 2 r + 1.
   */
  private static void transpose(
      long source, long stride, int rows, int k, int depth, long to, long toStride, long scratch) {
    long from = scratch;
    long other = at(scratch, LANES * LANES);
    zipRows(source, stride, rows, k, depth, from, at(other, LANES * LANES));
    for (int pass = 2; pass < LANES / 2; pass *= 2) {
      zip(from, other, LANES);
      long swap = from;
      from = other;
      other = swap;
    }
    zip(from, to, toStride);
  }

  /** The first pass, which reads the matrix; rows and numbers past its edge are 0. */
  private static void zipRows(
      long source, long stride, int rows, int k, int depth, long to, long zeros) {
    VectorMask<Float> mask = SPECIES.indexInRange(k, depth);
    for (int r = 0; r < LANES / 2; r++) {
      int s = r + LANES / 2;
      long upper = r < rows ? at(source, r * stride + k) : zeros;
      long lower = s < rows ? at(source, s * stride + k) : zeros;
      FloatVector a = FloatVector.fromMemorySegment(SPECIES, MEMORY, upper, ORDER, mask);
      FloatVector b = FloatVector.fromMemorySegment(SPECIES, MEMORY, lower, ORDER, mask);
      store(a.rearrange(ZIP_LOW, b), to);
      store(a.rearrange(ZIP_HIGH, b), to + VECTOR);
      to += 2 * VECTOR;
    }
  }

  private static void zip(long from, long to, long toStride) {
    for (int r = 0; r < LANES / 2; r++) {
      FloatVector upper = load(at(from, r * LANES));
      FloatVector lower = load(at(from, (r + LANES / 2) * LANES));
      store(upper.rearrange(ZIP_LOW, lower), at(to, 2 * r * toStride));
      store(upper.rearrange(ZIP_HIGH, lower), at(to, (2 * r + 1) * toStride));
    }
  }
}
