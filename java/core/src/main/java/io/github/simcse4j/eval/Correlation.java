package io.github.simcse4j.eval;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Correlation of two samples, with the conventions of {@code scipy.stats.pearsonr} and {@code
 * spearmanr}: tied values get the mean of their ranks; a constant sample, a NaN and fewer than two
 * values give NaN; results lie in [-1, 1].
 */
public final class Correlation {

  private Correlation() {}

  /** Spearman's rho: Pearson's r of the ranks. */
  public static double spearman(double[] x, double[] y) {
    checkLengths(x, y);
    if (containsNaN(x) || containsNaN(y)) {
      return Double.NaN;
    }
    return pearson(ranks(x), ranks(y));
  }

  /** Pearson's r: the cosine of the two samples after their means are taken off. */
  public static double pearson(double[] x, double[] y) {
    checkLengths(x, y);
    if (x.length < 2 || isConstant(x) || isConstant(y)) {
      return Double.NaN;
    }
    double[] unitX = centredUnit(x);
    double[] unitY = centredUnit(y);
    double r = new Sum().addProducts(unitX, unitY).value();
    double clipped = Math.clamp(r, -1.0, 1.0);
    return x.length == 2 ? Math.rint(clipped) : clipped;
  }

  /** Ranks from 1; equal values share the mean of the ranks that they fill. */
  static double[] ranks(double[] values) {
    int[] order =
        IntStream.range(0, values.length)
            .boxed()
            .sorted((a, b) -> Double.compare(values[a], values[b]))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] ranks = new double[values.length];
    for (int start = 0; start < order.length; ) {
      int end = start + 1;
      while (end < order.length && values[order[end]] == values[order[start]]) {
        end++;
      }
      for (int i = start; i < end; i++) {
        ranks[order[i]] = (start + 1 + end) / 2.0;
      }
      start = end;
    }
    return ranks;
  }

  private static double[] centredUnit(double[] values) {
    double mean = new Sum().addAll(values).value() / values.length;
    double[] centred = Arrays.stream(values).map(v -> v - mean).toArray();
    // Scaling by the largest deviation keeps the squares of huge and of tiny samples finite.
    double largest = Arrays.stream(centred).map(Math::abs).max().orElse(0);
    double[] scaled = Arrays.stream(centred).map(v -> v / largest).toArray();
    double norm = Math.sqrt(new Sum().addProducts(scaled, scaled).value());
    return Arrays.stream(scaled).map(v -> v / norm).toArray();
  }

  private static boolean isConstant(double[] values) {
    return Arrays.stream(values).allMatch(v -> v == values[0]);
  }

  private static boolean containsNaN(double[] values) {
    return Arrays.stream(values).anyMatch(Double::isNaN);
  }

  private static void checkLengths(double[] x, double[] y) {
    if (x.length != y.length) {
      throw new IllegalArgumentException(
          "samples of " + x.length + " and " + y.length + " values, expected equally many");
    }
  }

  /** Neumaier's compensated sum: its error does not grow with the number of terms. */
  private static final class Sum {
    private double total;
    private double lost;

    Sum addAll(double[] terms) {
      for (double term : terms) {
        add(term);
      }
      return this;
    }

    Sum addProducts(double[] a, double[] b) {
      for (int i = 0; i < a.length; i++) {
        add(a[i] * b[i]);
      }
      return this;
    }

    double value() {
      return total + lost;
    }

    private void add(double term) {
      double next = total + term;
      lost += Math.abs(total) >= Math.abs(term) ? (total - next) + term : (term - next) + total;
      total = next;
    }
  }
}
