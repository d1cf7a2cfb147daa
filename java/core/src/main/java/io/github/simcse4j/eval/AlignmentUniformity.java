package io.github.simcse4j.eval;

/**
 * How close positive pairs lie and how evenly vectors spread over the unit sphere (Wang and Isola
 * 2020, arXiv:2005.10242, equations 2 and 3, with alpha = 2 and t = 2). Both are better when
 * smaller. Vectors are normalised here. Sums are in double; no term can overflow or vanish, as
 * every squared distance lies in [0, 4].
 */
public final class AlignmentUniformity {

  private AlignmentUniformity() {}

  /**
   * Alignment: the mean of |x - y|^2 over positive pairs.
   *
   * @param left (pairs, dimension)
   * @param right (pairs, dimension): row i is the positive of row i of {@code left}
   */
  public static double alignment(float[] left, float[] right, int pairs, int dimension) {
    double[] x = Vectors.normalised(left, pairs, dimension);
    double[] y = Vectors.normalised(right, pairs, dimension);
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      double difference = x[i] - y[i];
      sum += difference * difference;
    }
    return sum / pairs;
  }

  /**
   * Uniformity: log of the mean of exp(-2 |x - y|^2) over all pairs of two rows. It costs rows^2 /
   * 2 inner products.
   *
   * @param vectors (rows, dimension), at least two rows
   */
  public static double uniformity(float[] vectors, int rows, int dimension) {
    if (rows < 2) {
      throw new IllegalArgumentException("uniformity needs at least 2 vectors, got " + rows);
    }
    double[] x = Vectors.normalised(vectors, rows, dimension);
    double[] sum = new double[1];
    Vectors.forEachProduct(
        x,
        rows,
        dimension,
        (row, from, count, products) -> {
          for (int j = from == row ? 1 : 0; j < count; j++) {
            double squaredDistance = Math.max(0, 2 - 2 * products[j]);
            sum[0] += Math.exp(-2 * squaredDistance);
          }
        });
    return Math.log(sum[0] / (0.5 * rows * (rows - 1.0)));
  }
}
