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
 * call in the loop costs nine tenths of the speed. Accumulators are added to a zero before they are
 * stored: what comes out of a loop has no exact class, and C2 then made objects of all of them in
 * about half of all runs, at a fifth of the speed.
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
    FloatVector zero = FloatVector.zero(SPECIES);
    FloatVector c0 = zero;
    FloatVector d0 = zero;
    FloatVector c1 = zero;
    FloatVector d1 = zero;
    FloatVector c2 = zero;
    FloatVector d2 = zero;
    FloatVector c3 = zero;
    FloatVector d3 = zero;
    FloatVector c4 = zero;
    FloatVector d4 = zero;
    FloatVector c5 = zero;
    FloatVector d5 = zero;
    FloatVector c6 = zero;
    FloatVector d6 = zero;
    FloatVector c7 = zero;
    FloatVector d7 = zero;
    FloatVector c8 = zero;
    FloatVector d8 = zero;
    FloatVector c9 = zero;
    FloatVector d9 = zero;
    FloatVector c10 = zero;
    FloatVector d10 = zero;
    FloatVector c11 = zero;
    FloatVector d11 = zero;
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
    zero.add(c0).intoMemorySegment(MEMORY, out, ORDER);
    zero.add(d0).intoMemorySegment(MEMORY, out + VECTOR, ORDER);
    zero.add(c1).intoMemorySegment(MEMORY, out + stride, ORDER);
    zero.add(d1).intoMemorySegment(MEMORY, out + stride + VECTOR, ORDER);
    zero.add(c2).intoMemorySegment(MEMORY, out + 2 * stride, ORDER);
    zero.add(d2).intoMemorySegment(MEMORY, out + 2 * stride + VECTOR, ORDER);
    zero.add(c3).intoMemorySegment(MEMORY, out + 3 * stride, ORDER);
    zero.add(d3).intoMemorySegment(MEMORY, out + 3 * stride + VECTOR, ORDER);
    zero.add(c4).intoMemorySegment(MEMORY, out + 4 * stride, ORDER);
    zero.add(d4).intoMemorySegment(MEMORY, out + 4 * stride + VECTOR, ORDER);
    zero.add(c5).intoMemorySegment(MEMORY, out + 5 * stride, ORDER);
    zero.add(d5).intoMemorySegment(MEMORY, out + 5 * stride + VECTOR, ORDER);
    zero.add(c6).intoMemorySegment(MEMORY, out + 6 * stride, ORDER);
    zero.add(d6).intoMemorySegment(MEMORY, out + 6 * stride + VECTOR, ORDER);
    zero.add(c7).intoMemorySegment(MEMORY, out + 7 * stride, ORDER);
    zero.add(d7).intoMemorySegment(MEMORY, out + 7 * stride + VECTOR, ORDER);
    zero.add(c8).intoMemorySegment(MEMORY, out + 8 * stride, ORDER);
    zero.add(d8).intoMemorySegment(MEMORY, out + 8 * stride + VECTOR, ORDER);
    zero.add(c9).intoMemorySegment(MEMORY, out + 9 * stride, ORDER);
    zero.add(d9).intoMemorySegment(MEMORY, out + 9 * stride + VECTOR, ORDER);
    zero.add(c10).intoMemorySegment(MEMORY, out + 10 * stride, ORDER);
    zero.add(d10).intoMemorySegment(MEMORY, out + 10 * stride + VECTOR, ORDER);
    zero.add(c11).intoMemorySegment(MEMORY, out + 11 * stride, ORDER);
    zero.add(d11).intoMemorySegment(MEMORY, out + 11 * stride + VECTOR, ORDER);
  }

  private static void tile6(long a, long b, int depth, long out, long stride) {
    FloatVector zero = FloatVector.zero(SPECIES);
    FloatVector c0 = zero;
    FloatVector d0 = zero;
    FloatVector c1 = zero;
    FloatVector d1 = zero;
    FloatVector c2 = zero;
    FloatVector d2 = zero;
    FloatVector c3 = zero;
    FloatVector d3 = zero;
    FloatVector c4 = zero;
    FloatVector d4 = zero;
    FloatVector c5 = zero;
    FloatVector d5 = zero;
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
    zero.add(c0).intoMemorySegment(MEMORY, out, ORDER);
    zero.add(d0).intoMemorySegment(MEMORY, out + VECTOR, ORDER);
    zero.add(c1).intoMemorySegment(MEMORY, out + stride, ORDER);
    zero.add(d1).intoMemorySegment(MEMORY, out + stride + VECTOR, ORDER);
    zero.add(c2).intoMemorySegment(MEMORY, out + 2 * stride, ORDER);
    zero.add(d2).intoMemorySegment(MEMORY, out + 2 * stride + VECTOR, ORDER);
    zero.add(c3).intoMemorySegment(MEMORY, out + 3 * stride, ORDER);
    zero.add(d3).intoMemorySegment(MEMORY, out + 3 * stride + VECTOR, ORDER);
    zero.add(c4).intoMemorySegment(MEMORY, out + 4 * stride, ORDER);
    zero.add(d4).intoMemorySegment(MEMORY, out + 4 * stride + VECTOR, ORDER);
    zero.add(c5).intoMemorySegment(MEMORY, out + 5 * stride, ORDER);
    zero.add(d5).intoMemorySegment(MEMORY, out + 5 * stride + VECTOR, ORDER);
  }
}
