package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.at;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.store;
import static io.github.simcse4j.kernels.vector.MicroKernel.COLUMNS;
import static io.github.simcse4j.kernels.vector.MicroKernel.ROWS;

/**
 * One attention head of one sentence under one view, with the scratch of its worker. L tokens, D
 * channels.
 *
 * @param row first row of the sentence in the activations
 * @param number which head
 * @param length L
 * @param size D
 * @param scores (L, L), each row padded to whole tiles
 * @param gradients of the same shape
 * @param product (L, D), each row padded to whole tiles
 * @param factors one row of dropout factors
 * @param left panels of the left side of a product
 * @param right panels of the right side of a product
 * @param work of {@link Panels#packRows}
 */
record Head(
    long row,
    int number,
    int length,
    int size,
    VectorPhilox philox,
    int sample,
    int view,
    long scores,
    long gradients,
    long product,
    long factors,
    long left,
    long right,
    long work) {

  /** Numbers of scratch that a head takes. */
  static long scratch(int length, int size) {
    return 2L * up(length, ROWS) * up(length, COLUMNS)
        + (long) up(length, ROWS) * up(size, COLUMNS)
        + VectorPhilox.padded(length)
        + leftPanels(length, size)
        + rightPanels(length, size)
        + Panels.ROWS_SCRATCH;
  }

  /** A head whose parts lie one after the other from {@code start} on. */
  static Head in(
      long start,
      long row,
      int number,
      int length,
      int size,
      VectorPhilox philox,
      int sample,
      int view) {
    long square = (long) up(length, ROWS) * up(length, COLUMNS);
    long gradients = at(start, square);
    long product = at(gradients, square);
    long factors = at(product, (long) up(length, ROWS) * up(size, COLUMNS));
    long left = at(factors, VectorPhilox.padded(length));
    long right = at(left, leftPanels(length, size));
    long work = at(right, rightPanels(length, size));
    return new Head(
        row, number, length, size, philox, sample, view, start, gradients, product, factors, left,
        right, work);
  }

  private static long leftPanels(int length, int size) {
    return Math.max(Panels.size(size, ROWS, length), Panels.size(length, ROWS, length));
  }

  private static long rightPanels(int length, int size) {
    return Math.max(Panels.size(size, COLUMNS, length), Panels.size(length, COLUMNS, size));
  }

  private static int up(int count, int unit) {
    return Math.ceilDiv(count, unit) * unit;
  }

  float scale() {
    return (float) (1 / Math.sqrt(size));
  }

  private int scoreStride() {
    return up(length, COLUMNS);
  }

  long scoresOf(int i) {
    return at(scores, (long) i * scoreStride());
  }

  private long gradientsOf(int i) {
    return at(gradients, (long) i * scoreStride());
  }

  /** scores = q k^T, rows of both {@code stride} numbers apart. */
  void scores(long q, long k, int stride) {
    rowsByRows(q, stride, k, stride, scores);
  }

  /** gradients = dOut v^T. */
  void gradientScores(long dOut, int dOutStride, long v, int vStride) {
    rowsByRows(dOut, dOutStride, v, vStride, gradients);
  }

  private void rowsByRows(long a, int aStride, long b, int bStride, long out) {
    Panels.packRows(a, aStride, length, size, ROWS, left, work);
    Panels.packRows(b, bStride, length, size, COLUMNS, right, work);
    MicroKernel.product(left, length, right, length, size, out, scoreStride());
  }

  /** product = weights x, with x of L rows that are {@code stride} numbers apart. */
  void weighted(long weights, long x, int stride) {
    Panels.packRows(weights, scoreStride(), length, length, ROWS, left, work);
    byRows(x, stride);
  }

  /** product = weights^T x. */
  void weightedTransposed(long weights, long x, int stride) {
    Panels.packColumns(weights, scoreStride(), length, length, ROWS, left);
    byRows(x, stride);
  }

  private void byRows(long x, int stride) {
    Panels.packColumns(x, stride, size, length, COLUMNS, right);
    MicroKernel.product(left, length, right, size, length, product, up(size, COLUMNS));
  }

  /** Dropout of the weights of query i. */
  void drop(int i, long weights) {
    drawFactors(i);
    NormRows.multiply(weights, factors, weights, length);
  }

  /**
   * Scores and gradients of query i become what the products of the backward pass need. The softmax
   * is taken again whole: exp(score - lse) would lose the digits by which lse was rounded, and
   * saves little.
   */
  void dropGradient(int i, float along) {
    drawFactors(i);
    SoftmaxRows.softmax(scoresOf(i), length, scale());
    SoftmaxRows.backward(scoresOf(i), gradientsOf(i), factors, length, along, scale());
  }

  private void drawFactors(int i) {
    philox.factors(length, i | number << 16, sample, view, factors);
  }

  /** Writes the product to rows that are {@code stride} numbers apart. */
  void copyProduct(long to, int stride) {
    for (int i = 0; i < length; i++) {
      long from = at(product, (long) i * up(size, COLUMNS));
      long out = at(to, (long) i * stride);
      for (int c = 0; c < size; c += LANES) {
        store(load(at(from, c)), out, c, size);
      }
    }
  }
}
