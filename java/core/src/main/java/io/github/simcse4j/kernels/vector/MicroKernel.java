package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.MEMORY;
import static io.github.simcse4j.kernels.vector.Floats.ORDER;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.VECTOR;
import static io.github.simcse4j.kernels.vector.Floats.at;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * The inner product of the house: one tile of ROWS x COLUMNS numbers in registers, from packed
 * panels (see {@link Panels}), in the manner of BLIS (Van Zee and van de Geijn 2015). The
 * accumulators are local variables written out one by one, because only those stay in registers: C2
 * keeps no array and no field of vectors there. Memory is read without the helpers of {@link
 * Floats}: in a method of so many vectors C2 stops inlining whatever does not force it to, and one
 * call in the loop costs nine tenths of the speed.
 */
final class MicroKernel {

  /**
   * Rows of a tile. Where there are 32 vector registers, 24 hold the tile, two the panel of B and
   * one the broadcast number of A; 256-bit x86 has 16 registers, and 12 hold the tile.
   */
  static final int ROWS = LANES == 8 ? 6 : 12;

  /** Columns of a tile: two vectors. */
  static final int COLUMNS = 2 * LANES;

  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private MicroKernel() {}

  /**
   * out[i][j] = sum over k of a[k][i] b[k][j], added up in order of k.
   *
   * @param a panel (depth, ROWS)
   * @param b panel (depth, COLUMNS)
   * @param out where the tile goes, all of ROWS x COLUMNS
   * @param stride bytes from a row of the tile to the next
   */
  static void tile(long a, long b, int depth, long out, long stride) {
    if (ROWS == 12) {
      tile12(a, b, depth, out, stride);
    } else {
      tile6(a, b, depth, out, stride);
    }
  }

  /**
   * A whole product of packed panels: out = A B, of rows and columns padded to whole tiles.
   *
   * @param stride numbers from a row of {@code out} to the next
   */
  static void product(long a, int rows, long b, int columns, int depth, long out, int stride) {
    for (int j = 0; j < columns; j += COLUMNS) {
      long right = at(b, (j / COLUMNS) * Panels.size(depth, COLUMNS));
      for (int i = 0; i < rows; i += ROWS) {
        long left = at(a, (i / ROWS) * Panels.size(depth, ROWS));
        tile(left, right, depth, at(out, (long) i * stride + j), (long) stride * Float.BYTES);
      }
    }
  }

  private static void tile12(long a, long b, int depth, long out, long stride) {
    FloatVector c0 = FloatVector.zero(SPECIES);
    FloatVector d0 = FloatVector.zero(SPECIES);
    FloatVector c1 = FloatVector.zero(SPECIES);
    FloatVector d1 = FloatVector.zero(SPECIES);
    FloatVector c2 = FloatVector.zero(SPECIES);
    FloatVector d2 = FloatVector.zero(SPECIES);
    FloatVector c3 = FloatVector.zero(SPECIES);
    FloatVector d3 = FloatVector.zero(SPECIES);
    FloatVector c4 = FloatVector.zero(SPECIES);
    FloatVector d4 = FloatVector.zero(SPECIES);
    FloatVector c5 = FloatVector.zero(SPECIES);
    FloatVector d5 = FloatVector.zero(SPECIES);
    FloatVector c6 = FloatVector.zero(SPECIES);
    FloatVector d6 = FloatVector.zero(SPECIES);
    FloatVector c7 = FloatVector.zero(SPECIES);
    FloatVector d7 = FloatVector.zero(SPECIES);
    FloatVector c8 = FloatVector.zero(SPECIES);
    FloatVector d8 = FloatVector.zero(SPECIES);
    FloatVector c9 = FloatVector.zero(SPECIES);
    FloatVector d9 = FloatVector.zero(SPECIES);
    FloatVector c10 = FloatVector.zero(SPECIES);
    FloatVector d10 = FloatVector.zero(SPECIES);
    FloatVector c11 = FloatVector.zero(SPECIES);
    FloatVector d11 = FloatVector.zero(SPECIES);
    for (int k = 0; k < depth; k++) {
      FloatVector left = FloatVector.fromMemorySegment(SPECIES, MEMORY, b, ORDER);
      FloatVector right = FloatVector.fromMemorySegment(SPECIES, MEMORY, b + VECTOR, ORDER);
      FloatVector x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a));
      c0 = x.fma(left, c0);
      d0 = x.fma(right, d0);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 1 * Float.BYTES));
      c1 = x.fma(left, c1);
      d1 = x.fma(right, d1);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 2 * Float.BYTES));
      c2 = x.fma(left, c2);
      d2 = x.fma(right, d2);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 3 * Float.BYTES));
      c3 = x.fma(left, c3);
      d3 = x.fma(right, d3);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 4 * Float.BYTES));
      c4 = x.fma(left, c4);
      d4 = x.fma(right, d4);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 5 * Float.BYTES));
      c5 = x.fma(left, c5);
      d5 = x.fma(right, d5);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 6 * Float.BYTES));
      c6 = x.fma(left, c6);
      d6 = x.fma(right, d6);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 7 * Float.BYTES));
      c7 = x.fma(left, c7);
      d7 = x.fma(right, d7);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 8 * Float.BYTES));
      c8 = x.fma(left, c8);
      d8 = x.fma(right, d8);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 9 * Float.BYTES));
      c9 = x.fma(left, c9);
      d9 = x.fma(right, d9);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 10 * Float.BYTES));
      c10 = x.fma(left, c10);
      d10 = x.fma(right, d10);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 11 * Float.BYTES));
      c11 = x.fma(left, c11);
      d11 = x.fma(right, d11);
      a += 12 * Float.BYTES;
      b += 2 * VECTOR;
    }
    c0.intoMemorySegment(MEMORY, out, ORDER);
    d0.intoMemorySegment(MEMORY, out + VECTOR, ORDER);
    c1.intoMemorySegment(MEMORY, out + stride, ORDER);
    d1.intoMemorySegment(MEMORY, out + stride + VECTOR, ORDER);
    c2.intoMemorySegment(MEMORY, out + 2 * stride, ORDER);
    d2.intoMemorySegment(MEMORY, out + 2 * stride + VECTOR, ORDER);
    c3.intoMemorySegment(MEMORY, out + 3 * stride, ORDER);
    d3.intoMemorySegment(MEMORY, out + 3 * stride + VECTOR, ORDER);
    c4.intoMemorySegment(MEMORY, out + 4 * stride, ORDER);
    d4.intoMemorySegment(MEMORY, out + 4 * stride + VECTOR, ORDER);
    c5.intoMemorySegment(MEMORY, out + 5 * stride, ORDER);
    d5.intoMemorySegment(MEMORY, out + 5 * stride + VECTOR, ORDER);
    c6.intoMemorySegment(MEMORY, out + 6 * stride, ORDER);
    d6.intoMemorySegment(MEMORY, out + 6 * stride + VECTOR, ORDER);
    c7.intoMemorySegment(MEMORY, out + 7 * stride, ORDER);
    d7.intoMemorySegment(MEMORY, out + 7 * stride + VECTOR, ORDER);
    c8.intoMemorySegment(MEMORY, out + 8 * stride, ORDER);
    d8.intoMemorySegment(MEMORY, out + 8 * stride + VECTOR, ORDER);
    c9.intoMemorySegment(MEMORY, out + 9 * stride, ORDER);
    d9.intoMemorySegment(MEMORY, out + 9 * stride + VECTOR, ORDER);
    c10.intoMemorySegment(MEMORY, out + 10 * stride, ORDER);
    d10.intoMemorySegment(MEMORY, out + 10 * stride + VECTOR, ORDER);
    c11.intoMemorySegment(MEMORY, out + 11 * stride, ORDER);
    d11.intoMemorySegment(MEMORY, out + 11 * stride + VECTOR, ORDER);
  }

  private static void tile6(long a, long b, int depth, long out, long stride) {
    FloatVector c0 = FloatVector.zero(SPECIES);
    FloatVector d0 = FloatVector.zero(SPECIES);
    FloatVector c1 = FloatVector.zero(SPECIES);
    FloatVector d1 = FloatVector.zero(SPECIES);
    FloatVector c2 = FloatVector.zero(SPECIES);
    FloatVector d2 = FloatVector.zero(SPECIES);
    FloatVector c3 = FloatVector.zero(SPECIES);
    FloatVector d3 = FloatVector.zero(SPECIES);
    FloatVector c4 = FloatVector.zero(SPECIES);
    FloatVector d4 = FloatVector.zero(SPECIES);
    FloatVector c5 = FloatVector.zero(SPECIES);
    FloatVector d5 = FloatVector.zero(SPECIES);
    for (int k = 0; k < depth; k++) {
      FloatVector left = FloatVector.fromMemorySegment(SPECIES, MEMORY, b, ORDER);
      FloatVector right = FloatVector.fromMemorySegment(SPECIES, MEMORY, b + VECTOR, ORDER);
      FloatVector x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a));
      c0 = x.fma(left, c0);
      d0 = x.fma(right, d0);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 1 * Float.BYTES));
      c1 = x.fma(left, c1);
      d1 = x.fma(right, d1);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 2 * Float.BYTES));
      c2 = x.fma(left, c2);
      d2 = x.fma(right, d2);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 3 * Float.BYTES));
      c3 = x.fma(left, c3);
      d3 = x.fma(right, d3);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 4 * Float.BYTES));
      c4 = x.fma(left, c4);
      d4 = x.fma(right, d4);
      x = FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, a + 5 * Float.BYTES));
      c5 = x.fma(left, c5);
      d5 = x.fma(right, d5);
      a += 6 * Float.BYTES;
      b += 2 * VECTOR;
    }
    c0.intoMemorySegment(MEMORY, out, ORDER);
    d0.intoMemorySegment(MEMORY, out + VECTOR, ORDER);
    c1.intoMemorySegment(MEMORY, out + stride, ORDER);
    d1.intoMemorySegment(MEMORY, out + stride + VECTOR, ORDER);
    c2.intoMemorySegment(MEMORY, out + 2 * stride, ORDER);
    d2.intoMemorySegment(MEMORY, out + 2 * stride + VECTOR, ORDER);
    c3.intoMemorySegment(MEMORY, out + 3 * stride, ORDER);
    d3.intoMemorySegment(MEMORY, out + 3 * stride + VECTOR, ORDER);
    c4.intoMemorySegment(MEMORY, out + 4 * stride, ORDER);
    d4.intoMemorySegment(MEMORY, out + 4 * stride + VECTOR, ORDER);
    c5.intoMemorySegment(MEMORY, out + 5 * stride, ORDER);
    d5.intoMemorySegment(MEMORY, out + 5 * stride + VECTOR, ORDER);
  }
}
