package io.github.simcse4j.tensor;

import java.util.Arrays;

/**
 * The extents of a row-major tensor. Immutable; every extent is at least 0 and their product fits a
 * long.
 */
public final class Shape {

  private final long[] extents;
  private final long elements;

  private Shape(long[] extents) {
    long product = 1;
    for (long extent : extents) {
      if (extent < 0) {
        throw new IllegalArgumentException(
            "shape " + Arrays.toString(extents) + " has a negative extent");
      }
      product = Math.multiplyExact(product, extent);
    }
    this.extents = extents;
    this.elements = product;
  }

  public static Shape of(long... extents) {
    return new Shape(extents.clone());
  }

  public int rank() {
    return extents.length;
  }

  public long extent(int axis) {
    return extents[axis];
  }

  /** The number of elements: the product of the extents, 1 for a scalar. */
  public long elements() {
    return elements;
  }

  /** The extents, copied. */
  public long[] extents() {
    return extents.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(extents, shape.extents);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(extents);
  }

  @Override
  public String toString() {
    return Arrays.toString(extents);
  }
}
