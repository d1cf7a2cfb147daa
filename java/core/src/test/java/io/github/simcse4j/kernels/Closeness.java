package io.github.simcse4j.kernels;

/**
 * How far computed numbers are from the true ones, norm-wise.
 *
 * @param maximum max|out - ref| / max|ref|
 * @param norm ||out - ref|| / ||ref||
 */
public record Closeness(double maximum, double norm) {

  /** Compares; NaN and infinity on either side are infinitely far away. */
  public static Closeness of(double[] out, double[] reference) {
    return of(out, reference, 0);
  }

  /**
   * Compares where the true numbers may cancel to almost nothing.
   *
   * @param scale the size of number that rounding errors are relative to, where that is larger than
   *     the reference
   */
  public static Closeness of(double[] out, double[] reference, double scale) {
    if (out.length != reference.length) {
      throw new IllegalArgumentException(out.length + " numbers against " + reference.length);
    }
    double distance = 0;
    double size = scale;
    double squaredDistance = 0;
    double squaredSize = 0;
    for (int i = 0; i < out.length; i++) {
      double difference = out[i] - reference[i];
      if (!Double.isFinite(difference)) {
        return new Closeness(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);
      }
      distance = Math.max(distance, Math.abs(difference));
      size = Math.max(size, Math.abs(reference[i]));
      squaredDistance += difference * difference;
      squaredSize += reference[i] * reference[i];
    }
    double norm = Math.max(Math.sqrt(squaredSize), scale * Math.sqrt(out.length));
    return new Closeness(ratio(distance, size), ratio(Math.sqrt(squaredDistance), norm));
  }

  /** Whether both measures are at most {@code tolerance}. */
  public boolean within(double tolerance) {
    return maximum <= tolerance && norm <= tolerance;
  }

  /**
   * Whether both measures are at most {@code tolerance} above twice those of {@code naive}, the
   * error of plain loops in the same type.
   */
  public boolean within(double tolerance, Closeness naive) {
    return Double.isFinite(naive.maximum)
        && Double.isFinite(naive.norm)
        && maximum <= tolerance + 2 * naive.maximum
        && norm <= tolerance + 2 * naive.norm;
  }

  private static double ratio(double distance, double size) {
    return distance == 0 ? 0 : distance / size;
  }
}
