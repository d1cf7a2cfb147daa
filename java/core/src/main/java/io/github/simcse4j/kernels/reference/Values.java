package io.github.simcse4j.kernels.reference;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.ValueLayout;

/** Tensors as arrays of doubles: read whole, computed with, and rounded once when written back. */
final class Values {

  private Values() {}

  /** The elements, copied. */
  static double[] of(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.get(i);
    }
    return values;
  }

  /** The elements of an integer tensor, copied. */
  static int[] integers(Tensor tensor) {
    int[] values = new int[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (int) tensor.get(i);
    }
    return values;
  }

  /** The elements of an I64 tensor, copied. */
  static long[] longs(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_LONG_UNALIGNED);
  }

  /** Writes every element, rounded to the tensor's type. */
  static void store(double[] values, Tensor tensor) {
    for (int i = 0; i < values.length; i++) {
      tensor.set(i, values[i]);
    }
  }

  /** The number that a tensor of this type holds in place of {@code value}. */
  static double rounded(double value, DType dtype) {
    return dtype == DType.F32 ? (float) value : value;
  }

  /**
   * The scalar product of {@code count} elements of a from {@code i} and of b from {@code j} on.
   */
  static double dot(double[] a, int i, double[] b, int j, int count) {
    double sum = 0;
    for (int c = 0; c < count; c++) {
      sum += a[i + c] * b[j + c];
    }
    return sum;
  }

  /** log(sum(exp(x))) of {@code count} elements from {@code from} on, safe from overflow. */
  static double logSumExp(double[] x, int from, int count) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = from; j < from + count; j++) {
      max = Math.max(max, x[j]);
    }
    double sum = 0;
    for (int j = from; j < from + count; j++) {
      sum += Math.exp(x[j] - max);
    }
    return max + Math.log(sum);
  }
}
