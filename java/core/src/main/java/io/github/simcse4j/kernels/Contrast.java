package io.github.simcse4j.kernels;

/**
 * The shape of the contrastive distribution in {@link Kernels#similaritySoftmaxForward}.
 *
 * @param temperature divides every cosine similarity; above 0
 * @param ownNegativeOffset column {@code ownNegativeOffset + i} is the hard negative of query i
 *     itself
 * @param ownNegativeBias added to the logit of a query's own hard negative; 0 where there are none.
 *     SimCSE's {@code hard_negative_weight}: with weight log(alpha) it counts alpha times
 */
public record Contrast(float temperature, int ownNegativeOffset, float ownNegativeBias) {

  public Contrast {
    if (!(temperature > 0f) || Float.isInfinite(temperature)) {
      throw new IllegalArgumentException("temperature must be above 0, found " + temperature);
    }
    if (!Float.isFinite(ownNegativeBias) || ownNegativeOffset < 0) {
      throw new IllegalArgumentException(
          "a hard-negative weight of "
              + ownNegativeBias
              + " at column "
              + ownNegativeOffset
              + " is not usable");
    }
  }

  /** In-batch negatives alone. */
  public static Contrast inBatch(float temperature) {
    return new Contrast(temperature, 0, 0f);
  }

  /** The term added to logit (i, j). */
  public float bias(int i, int j) {
    return ownNegativeBias != 0f && j == ownNegativeOffset + i ? ownNegativeBias : 0f;
  }
}
