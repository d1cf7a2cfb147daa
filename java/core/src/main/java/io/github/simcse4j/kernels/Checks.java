package io.github.simcse4j.kernels;

import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Shape;
import io.github.simcse4j.tensor.Tensor;

/** The argument checks of the contract; each failure names operation, argument and shapes. */
final class Checks {

  private Checks() {}

  static void that(boolean holds, String operation, String message, Object... values) {
    if (!holds) {
      throw new IllegalArgumentException(operation + ": " + message.formatted(values));
    }
  }

  static void shape(String operation, String name, Tensor tensor, DType dtype, long... extents) {
    if (tensor == null) {
      throw new IllegalArgumentException(operation + ": " + name + " is missing");
    }
    if (tensor.dtype() != dtype || !matches(tensor.shape(), extents)) {
      throw new IllegalArgumentException(
          operation + ": " + name + " must be " + dtype + Shape.of(extents) + ", found " + tensor);
    }
  }

  /** The number of rows of what must be a matrix. */
  static long rows(String operation, String name, Tensor matrix) {
    if (matrix == null) {
      throw new IllegalArgumentException(operation + ": " + name + " is missing");
    }
    if (matrix.shape().rank() != 2) {
      throw new IllegalArgumentException(
          operation + ": " + name + " must be a matrix, found " + matrix);
    }
    return matrix.extent(0);
  }

  /** The number of columns of what must be a matrix. */
  static long columns(String operation, String name, Tensor matrix) {
    rows(operation, name, matrix);
    return matrix.extent(1);
  }

  private static boolean matches(Shape shape, long[] extents) {
    if (shape.rank() != extents.length) {
      return false;
    }
    for (int axis = 0; axis < extents.length; axis++) {
      if (shape.extent(axis) != extents[axis]) {
        return false;
      }
    }
    return true;
  }
}
