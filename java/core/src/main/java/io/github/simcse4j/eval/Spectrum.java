package io.github.simcse4j.eval;

import java.util.Arrays;

/**
 * The singular values of a matrix of sentence vectors: a measure of anisotropy. Where a few values
 * hold most of the weight, the vectors lie in a narrow cone; the contrastive objective flattens the
 * spectrum (Gao, Yao and Chen 2021, section 5).
 *
 * <p>Rows are normalised first, since vectors are compared by cosine, and values are divided by the
 * square root of the number of rows, so that their squares sum to 1 and samples of different size
 * compare. The spectrum is given as it is and with the mean vector taken off, which leaves out the
 * common direction that {@link #meanCosine} measures. Values below about 1e-8 of the largest are
 * rounding noise.
 *
 * @param values min(rows, dimension) singular values, largest first
 * @param centredValues the same after the mean of the normalised rows is taken off each
 * @param meanCosine the mean cosine over all pairs of two rows; NaN for one row
 */
public record Spectrum(double[] values, double[] centredValues, double meanCosine) {

  public Spectrum {
    values = values.clone();
    centredValues = centredValues.clone();
  }

  /**
   * The spectrum of sentence vectors.
   *
   * @param vectors (rows, dimension), finite
   */
  public static Spectrum of(float[] vectors, int rows, int dimension) {
    double[] x = Vectors.normalised(vectors, rows, dimension);
    double[] mean = new double[dimension];
    double squares = 0;
    for (int i = 0; i < x.length; i++) {
      mean[i % dimension] += x[i] / rows;
      squares += x[i] * x[i];
    }
    double squaredMean = Arrays.stream(mean).map(m -> m * m).sum();
    double[] values = singularValues(x, rows, dimension);
    for (int i = 0; i < x.length; i++) {
      x[i] -= mean[i % dimension];
    }
    return new Spectrum(
        values,
        singularValues(x, rows, dimension),
        (squaredMean * rows * rows - squares) / (rows * (rows - 1.0)));
  }

  /** The singular values, copied. */
  @Override
  public double[] values() {
    return values.clone();
  }

  /** The singular values of the centred matrix, copied. */
  @Override
  public double[] centredValues() {
    return centredValues.clone();
  }

  /**
   * Exponential of the entropy of the singular values as shares of their sum (Roy and Vetterli
   * 2007): 1 where all vectors lie on one line, the dimension where all directions weigh the same.
   */
  public double effectiveRank() {
    return effectiveRank(values);
  }

  /** The effective rank of the centred matrix. */
  public double centredEffectiveRank() {
    return effectiveRank(centredValues);
  }

  /** The largest squared singular value as a share of the sum of the squares. */
  public double topShare() {
    return values[0] * values[0] / Arrays.stream(values).map(v -> v * v).sum();
  }

  private static double effectiveRank(double[] values) {
    double total = Arrays.stream(values).sum();
    double entropy =
        Arrays.stream(values)
            .map(value -> value / total)
            .map(share -> share == 0 ? 0 : -share * Math.log(share))
            .sum();
    return Math.exp(entropy);
  }

  private static double[] singularValues(double[] x, int rows, int dimension) {
    // The Gram matrix of the shorter side has the same values that are not zero.
    boolean wide = rows <= dimension;
    double[] sides = wide ? x : Vectors.transposed(x, rows, dimension);
    int n = Math.min(rows, dimension);
    double[] gram = new double[Math.multiplyExact(n, n)];
    Vectors.forEachProduct(
        sides,
        n,
        Math.max(rows, dimension),
        (row, from, count, products) -> {
          for (int j = 0; j < count; j++) {
            gram[(from + j) * n + row] = products[j] / rows;
          }
        });
    double[] eigenvalues = SymmetricEigenvalues.of(gram, n);
    return Arrays.stream(eigenvalues).map(v -> Math.sqrt(Math.max(0, v))).toArray();
  }
}
