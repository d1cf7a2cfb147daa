package io.github.simcse4j.kernels.vector;

import static io.github.simcse4j.kernels.vector.Floats.LANES;
import static io.github.simcse4j.kernels.vector.Floats.SPECIES;
import static io.github.simcse4j.kernels.vector.Floats.fill;
import static io.github.simcse4j.kernels.vector.Floats.get;
import static io.github.simcse4j.kernels.vector.Floats.load;
import static io.github.simcse4j.kernels.vector.Floats.put;
import static io.github.simcse4j.kernels.vector.Floats.store;

import jdk.incubator.vector.FloatVector;

/** Layer normalisation of one row at a time, while the row is in the first-level cache. */
final class NormRows {

  private NormRows() {}

  /** x = residual + factors * x. */
  static void addDropped(long x, long factors, long residual, int n) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector dropped = load(x, i, n).fma(load(factors, i, n), load(residual, i, n));
      store(dropped, x, i, n);
    }
  }

  /** out = a + b + c. */
  static void sum(long a, long b, long c, long out, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(a, i, n).add(load(b, i, n)).add(load(c, i, n)), out, i, n);
    }
  }

  /** out = a * b. */
  static void multiply(long a, long b, long out, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(a, i, n).mul(load(b, i, n)), out, i, n);
    }
  }

  /** sum += a. */
  static void add(long a, long sum, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(sum, i, n).add(load(a, i, n)), sum, i, n);
    }
  }

  /** sum += a * b. */
  static void addProduct(long a, long b, long sum, int n) {
    for (int i = 0; i < n; i += LANES) {
      store(load(a, i, n).fma(load(b, i, n), load(sum, i, n)), sum, i, n);
    }
  }

  /**
   * Writes mean and reciprocal standard deviation of a row. The distances from a first mean are
   * summed as well as their squares, which takes the rounding of that mean out of both results
   * (Chan et al. 1983).
   */
  static void statistics(long x, int n, float epsilon, long mean, long rstd) {
    FloatVector total = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      total = total.add(load(x, i, n));
    }
    float first = Floats.sum(total) / n;
    FloatVector distances = FloatVector.zero(SPECIES);
    FloatVector squares = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      FloatVector distance = fill(load(x, i, n).sub(first), 0f, i, n);
      distances = distances.add(distance);
      squares = distance.fma(distance, squares);
    }
    double correction = (double) Floats.sum(distances) / n;
    double variance = (double) Floats.sum(squares) / n - correction * correction;
    put(mean, (float) (first + correction));
    put(rstd, (float) (1 / Math.sqrt(Math.max(variance, 0) + epsilon)));
  }

  /** out = (x - mean) * rstd * gamma + beta. */
  static void normalise(long x, long mean, long rstd, long gamma, long beta, long out, int n) {
    float shift = get(mean);
    float factor = get(rstd);
    for (int i = 0; i < n; i += LANES) {
      FloatVector unit = load(x, i, n).sub(shift).mul(factor);
      store(unit.fma(load(gamma, i, n), load(beta, i, n)), out, i, n);
    }
  }

  /** Adds a row's part of the gradients of gamma and beta, with the names of {@link #gradient}. */
  static void parameterGradients(
      long dOut, long x, long mean, long rstd, long dGamma, long dBeta, int n) {
    float shift = get(mean);
    float factor = get(rstd);
    for (int i = 0; i < n; i += LANES) {
      FloatVector d = load(dOut, i, n);
      FloatVector unit = load(x, i, n).sub(shift).mul(factor);
      store(unit.fma(d, load(dGamma, i, n)), dGamma, i, n);
      store(d.add(load(dBeta, i, n)), dBeta, i, n);
    }
  }

  /**
   * dX = rstd (g - mean(g) - xHat mean(g xHat)), with g = dOut gamma and xHat = (x - mean) rstd.
   *
   * @param dX may be the same as {@code dOut}
   */
  static void gradient(long dOut, long x, long mean, long rstd, long gamma, long dX, int n) {
    float shift = get(mean);
    float factor = get(rstd);
    FloatVector sums = FloatVector.zero(SPECIES);
    FloatVector products = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      FloatVector g = load(dOut, i, n).mul(load(gamma, i, n));
      sums = sums.add(g);
      products = g.fma(load(x, i, n).sub(shift).mul(factor), products);
    }
    float meanG = Floats.sum(sums) / n;
    float meanGx = Floats.sum(products) / n;
    for (int i = 0; i < n; i += LANES) {
      FloatVector g = load(dOut, i, n).mul(load(gamma, i, n));
      FloatVector unit = load(x, i, n).sub(shift).mul(factor);
      store(g.sub(meanG).sub(unit.mul(meanGx)).mul(factor), dX, i, n);
    }
  }
}
