package io.github.simcse4j.eval;

import java.util.Arrays;

/**
 * Eigenvalues of a real symmetric matrix: Householder reduction to tridiagonal form, then QL steps
 * with implicit shifts (Golub and Van Loan, Matrix Computations, sections 8.3.1 and 8.3.3). About
 * 4/3 n^3 operations; errors are of the order of the rounding unit times the largest eigenvalue.
 */
final class SymmetricEigenvalues {

  private static final int MOST_STEPS = 60;

  private SymmetricEigenvalues() {}

  /**
   * The eigenvalues, largest first.
   *
   * @param matrix (n, n), row-major, finite; only its lower triangle is read; it is overwritten
   */
  static double[] of(double[] matrix, int n) {
    double[] diagonal = new double[n];
    double[] beside = new double[n];
    tridiagonalise(matrix, n, diagonal, beside);
    diagonalise(diagonal, beside);
    Arrays.sort(diagonal);
    for (int i = 0; i < n / 2; i++) {
      double small = diagonal[i];
      diagonal[i] = diagonal[n - 1 - i];
      diagonal[n - 1 - i] = small;
    }
    return diagonal;
  }

  /**
   * Leaves the tridiagonal form in {@code diagonal} and {@code beside}, where {@code beside[i]}
   * lies between rows i and i + 1. Works upwards from the last row, so that the untouched part is
   * always the leading block and its rows are contiguous.
   */
  private static void tridiagonalise(double[] a, int n, double[] diagonal, double[] beside) {
    double[] v = new double[n];
    double[] p = new double[n];
    for (int k = n - 1; k > 0; k--) {
      diagonal[k] = a[k * n + k];
      System.arraycopy(a, k * n, v, 0, k);
      double scale = 0;
      for (int i = 0; i < k; i++) {
        scale = Math.max(scale, Math.abs(v[i]));
      }
      if (scale == 0) {
        beside[k - 1] = 0;
        continue;
      }
      beside[k - 1] = scale * householder(v, k, scale);
      reflect(a, n, k, v, p);
    }
    diagonal[0] = a[0];
  }

  /**
   * Turns a row of length k, divided by {@code scale}, into the vector v of the reflection I - v
   * v^T that leaves only its last element, and returns that element.
   */
  private static double householder(double[] v, int k, double scale) {
    double squares = 0;
    for (int i = 0; i < k; i++) {
      v[i] /= scale;
      squares += v[i] * v[i];
    }
    double last = v[k - 1];
    double target = last >= 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    v[k - 1] = last - target;
    // |v|^2 = 2 (squares - last target); v is scaled so that |v|^2 = 2.
    double factor = 1 / Math.sqrt(squares - last * target);
    for (int i = 0; i < k; i++) {
      v[i] *= factor;
    }
    return target;
  }

  /** Replaces the leading (k, k) block A by (I - v v^T) A (I - v v^T), in its lower triangle. */
  private static void reflect(double[] a, int n, int k, double[] v, double[] p) {
    Arrays.fill(p, 0, k, 0);
    for (int i = 0; i < k; i++) {
      int row = i * n;
      Vectors.addScaled(p, v[i], a, row, i);
      double sum = a[row + i] * v[i];
      for (int j = 0; j < i; j++) {
        sum += a[row + j] * v[j];
      }
      p[i] += sum;
    }
    double half = 0;
    for (int i = 0; i < k; i++) {
      half += p[i] * v[i];
    }
    half /= 2;
    for (int i = 0; i < k; i++) {
      p[i] -= half * v[i];
    }
    for (int i = 0; i < k; i++) {
      int row = i * n;
      double vi = v[i];
      double pi = p[i];
      for (int j = 0; j <= i; j++) {
        a[row + j] -= vi * p[j] + pi * v[j];
      }
    }
  }

  /** Leaves the eigenvalues of the tridiagonal matrix in {@code d}, in no order. */
  private static void diagonalise(double[] d, double[] e) {
    int n = d.length;
    for (int first = 0; first < n; first++) {
      int steps = 0;
      int last = endOfBlock(d, e, first);
      while (last > first) {
        if (++steps > MOST_STEPS) {
          throw new ArithmeticException(
              "eigenvalue " + first + " of " + n + " did not converge; is the matrix finite?");
        }
        step(d, e, first, last);
        last = endOfBlock(d, e, first);
      }
    }
  }

  /**
   * The last row of the block that begins at {@code first} and has no negligible element beside it.
   */
  private static int endOfBlock(double[] d, double[] e, int first) {
    int last = first;
    while (last < d.length - 1
        && Math.abs(e[last]) > Math.ulp(1.0) * (Math.abs(d[last]) + Math.abs(d[last + 1]))) {
      last++;
    }
    return last;
  }

  /** One implicit QL step, with Wilkinson's shift from the first two rows of the block. */
  private static void step(double[] d, double[] e, int first, int last) {
    double gap = (d[first + 1] - d[first]) / (2 * e[first]);
    double root = Math.hypot(gap, 1);
    double shift = d[first] - e[first] / (gap + Math.copySign(root, gap));
    double bulge = d[last] - shift;
    double sine = 1;
    double cosine = 1;
    double moved = 0;
    for (int i = last - 1; i >= first; i--) {
      double f = sine * e[i];
      double b = cosine * e[i];
      double r = Math.hypot(f, bulge);
      if (i < last - 1) {
        e[i + 1] = r;
      }
      if (r == 0) {
        d[i + 1] -= moved;
        e[last] = 0;
        return;
      }
      sine = f / r;
      cosine = bulge / r;
      double g = d[i + 1] - moved;
      double t = (d[i] - g) * sine + 2 * cosine * b;
      moved = sine * t;
      d[i + 1] = g + moved;
      bulge = cosine * t - b;
    }
    d[first] -= moved;
    e[first] = bulge;
    e[last] = 0;
  }
}
