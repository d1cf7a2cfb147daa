package io.github.simcse4j.eval;

import java.util.Arrays;

/** Operations on row-major matrices of sentence vectors, in double. */
final class Vectors {

  /** A tile of transposed rows that stays in the second-level cache: 512 KiB. */
  private static final int TILE_NUMBERS = 1 << 16;

  private Vectors() {}

  /**
   * Rows divided by their Euclidean norms.
   *
   * @param vectors (rows, dimension)
   * @return (rows, dimension); a row of zeros stays zero
   */
  static double[] normalised(float[] vectors, int rows, int dimension) {
    if (rows < 1 || dimension < 1 || vectors.length != (long) rows * dimension) {
      throw new IllegalArgumentException(
          "%d numbers are no matrix of (%d, %d)".formatted(vectors.length, rows, dimension));
    }
    double[] out = new double[vectors.length];
    for (int row = 0; row < rows; row++) {
      int start = row * dimension;
      double squares = 0;
      for (int i = start; i < start + dimension; i++) {
        squares += (double) vectors[i] * vectors[i];
      }
      double scale = squares == 0 ? 0 : 1 / Math.sqrt(squares);
      for (int i = start; i < start + dimension; i++) {
        out[i] = vectors[i] * scale;
      }
    }
    return out;
  }

  /** The cosine of two rows of a matrix; 0 where one of them is all zero. */
  static double cosine(float[] vectors, int dimension, int a, int b) {
    double product = 0;
    double squaresA = 0;
    double squaresB = 0;
    for (int i = 0; i < dimension; i++) {
      double x = vectors[a * dimension + i];
      double y = vectors[b * dimension + i];
      product += x * y;
      squaresA += x * x;
      squaresB += y * y;
    }
    return product == 0 ? 0 : product / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
  }

  /** The matrix (rows, columns) as (columns, rows). */
  static double[] transposed(double[] matrix, int rows, int columns) {
    double[] out = new double[matrix.length];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        out[column * rows + row] = matrix[row * columns + column];
      }
    }
    return out;
  }

  /** Receives {@code products[j] = <row, from + j>} for {@code j} below {@code count}. */
  @FunctionalInterface
  interface Products {
    void accept(int row, int from, int count, double[] products);
  }

  /**
   * Hands over the inner product of every row with itself and with every later row, once, in
   * stretches.
   *
   * @param matrix (rows, columns)
   */
  static void forEachProduct(double[] matrix, int rows, int columns, Products consumer) {
    int tile = Math.clamp(TILE_NUMBERS / columns, 16, Math.max(16, rows));
    double[] packed = new double[tile * columns];
    double[] products = new double[tile];
    for (int start = 0; start < rows; start += tile) {
      int width = Math.min(tile, rows - start);
      for (int row = 0; row < width; row++) {
        for (int i = 0; i < columns; i++) {
          packed[i * width + row] = matrix[(start + row) * columns + i];
        }
      }
      for (int row = 0; row < start + width; row++) {
        int skipped = Math.max(0, row - start);
        int count = width - skipped;
        Arrays.fill(products, 0, count, 0);
        int i = 0;
        for (; i + 4 <= columns; i += 4) {
          addFourScaled(
              products, matrix, row * columns + i, packed, i * width + skipped, width, count);
        }
        for (; i < columns; i++) {
          addScaled(products, matrix[row * columns + i], packed, i * width + skipped, count);
        }
        consumer.accept(row, start + skipped, count, products);
      }
    }
  }

  /** Four steps of {@link #addScaled} that load and store the sums once. */
  private static void addFourScaled(
      double[] to, double[] factors, int first, double[] from, int start, int stride, int count) {
    double f0 = factors[first];
    double f1 = factors[first + 1];
    double f2 = factors[first + 2];
    double f3 = factors[first + 3];
    int start1 = start + stride;
    int start2 = start1 + stride;
    int start3 = start2 + stride;
    for (int j = 0; j < count; j++) {
      double low = f0 * from[start + j] + f1 * from[start1 + j];
      double high = f2 * from[start2 + j] + f3 * from[start3 + j];
      to[j] += low + high;
    }
  }

  /** Not a reduction, so that the compiler turns the loop into vector instructions. */
  static void addScaled(double[] to, double factor, double[] from, int start, int count) {
    for (int j = 0; j < count; j++) {
      to[j] += factor * from[start + j];
    }
  }
}
