package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.kernels.GemmEpilogue;
import io.github.simcse4j.kernels.GemmEpilogue.Kind;
import io.github.simcse4j.tensor.Tensor;

/** Matrix products, and the element-wise functions around them. */
final class GemmReference {

  /** Beyond this the normal distribution function is 0 or 1 to within 1e-15. */
  private static final double TAIL = 8;

  private GemmReference() {}

  static void gemm(
      boolean transposeA, boolean transposeB, Tensor a, Tensor b, Tensor c, GemmEpilogue epilogue) {
    int m = (int) c.extent(0);
    int n = (int) c.extent(1);
    int k = (int) a.extent(transposeA ? 0 : 1);
    double[] left = transposeA ? transposed(Values.of(a), k, m) : Values.of(a);
    double[] right = transposeB ? transposed(Values.of(b), n, k) : Values.of(b);
    double[] product = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int l = 0; l < k; l++) {
        for (int j = 0; j < n; j++) {
          product[i * n + j] += left[i * k + l] * right[l * n + j];
        }
      }
    }
    finish(product, c, epilogue);
    if (epilogue.biasGradient() != null) {
      columnSum(a, epilogue.biasGradient());
    }
  }

  private static void finish(double[] product, Tensor c, GemmEpilogue epilogue) {
    if (epilogue.bias() != null) {
      double[] bias = Values.of(epilogue.bias());
      for (int i = 0; i < product.length; i++) {
        product[i] += bias[i % bias.length];
      }
    }
    Tensor preActivation = epilogue.preActivation();
    if (preActivation != null && epilogue.kind() == Kind.BIAS_GELU) {
      Values.store(product, preActivation);
    }
    Tensor residual = epilogue.residual();
    for (int i = 0; i < product.length; i++) {
      c.set(
          i,
          switch (epilogue.kind()) {
            case STORE, BIAS -> product[i];
            case ACCUMULATE -> c.get(i) + product[i];
            case BIAS_GELU -> product[i] * normalCdf(product[i]);
            case BIAS_TANH -> Math.tanh(product[i]);
            case BIAS_RESIDUAL -> product[i] + residual.get(i);
            case GELU_BACKWARD -> product[i] * geluSlope(preActivation.get(i));
          });
    }
  }

  static void geluBackward(Tensor preActivation, Tensor gradient) {
    for (long i = 0; i < preActivation.elements(); i++) {
      double x = preActivation.get(i);
      gradient.set(i, gradient.get(i) * geluSlope(x));
      preActivation.set(i, x * normalCdf(x));
    }
  }

  private static double geluSlope(double x) {
    return normalCdf(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }

  static void tanhBackward(Tensor activation, Tensor gradient) {
    for (long i = 0; i < activation.elements(); i++) {
      double y = activation.get(i);
      gradient.set(i, gradient.get(i) * (1 - y * y));
    }
  }

  static void columnSum(Tensor x, Tensor sum) {
    double[] values = Values.of(x);
    double[] total = Values.of(sum);
    for (int i = 0; i < values.length; i++) {
      total[i % total.length] += values[i];
    }
    Values.store(total, sum);
  }

  /**
   * The standard normal distribution function (1 + erf(x / sqrt 2)) / 2 by the series 1/2 +
   * density(x) (x + x^3/3 + x^5/(3 5) + ...) of Marsaglia, "Evaluating the normal distribution"
   * (2004).
   */
  static double normalCdf(double x) {
    if (Math.abs(x) > TAIL) {
      return x > 0 ? 1 : 0;
    }
    double term = x;
    double sum = x;
    for (int odd = 3; Math.abs(term) > 0x1p-60 * Math.abs(sum); odd += 2) {
      term *= x * x / odd;
      sum += term;
    }
    return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }

  private static double[] transposed(double[] matrix, int rows, int columns) {
    double[] transposed = new double[matrix.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        transposed[j * rows + i] = matrix[i * columns + j];
      }
    }
    return transposed;
  }
}
