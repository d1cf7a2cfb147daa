package io.github.simcse4j.kernels;

/**
 * The shape of the contrastive distribution in {@link Kernels#similaritySoftmaxForward}.
 *
 * @param temperature divides every cosine similarity; above 0
 * @param ownNegativeOffset column {@code ownNegativeOffset + i} is the hard negative of query i
 *     itself
 * @param ownNegativeBias added to the logit of a query's own hard negative; 0 where there are none.
 *     SimCSE's {@code hard_negative_weight}: with weight log(alpha) it counts alpha times
 * @param bothDirections whether each positive key is also to find its query among all queries
 *     (CLIP, Radford et al. 2021): the loss is then the mean of both directions
 * @param sameSideNegatives whether the other queries are negatives of a query, and the other keys
 *     of a positive key: with both directions and M = N this is NT-Xent with its 2 N - 2 negatives
 *     (Chen et al. 2020)
 * @param falseNegativeMargin what is more similar than the positive by more than this, as a cosine,
 *     is taken for a false negative and left out; {@link #NO_MARGIN} leaves nothing out
 */
public record Contrast(
    float temperature,
    int ownNegativeOffset,
    float ownNegativeBias,
    boolean bothDirections,
    boolean sameSideNegatives,
    float falseNegativeMargin) {

  /** A margin that no similarity is above. */
  public static final float NO_MARGIN = Float.POSITIVE_INFINITY;

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
    if (!(falseNegativeMargin > -2f)) {
      throw new IllegalArgumentException(
          "the margin of false negatives must be above -2, found " + falseNegativeMargin);
    }
  }

  /** In-batch negatives alone. */
  public static Contrast inBatch(float temperature) {
    return new Contrast(temperature, 0, 0f, false, false, NO_MARGIN);
  }

  /** With hard negatives of the queries' own, from column {@code offset} on. */
  public Contrast withOwnNegatives(int offset, float bias) {
    return new Contrast(
        temperature, offset, bias, bothDirections, sameSideNegatives, falseNegativeMargin);
  }

  /** From queries to keys and from keys to queries. */
  public Contrast withBothDirections() {
    return new Contrast(
        temperature,
        ownNegativeOffset,
        ownNegativeBias,
        true,
        sameSideNegatives,
        falseNegativeMargin);
  }

  /** With negatives among the queries too, and among the keys where both directions are asked. */
  public Contrast withSameSideNegatives() {
    return new Contrast(
        temperature, ownNegativeOffset, ownNegativeBias, bothDirections, true, falseNegativeMargin);
  }

  /** Without what is more similar than the positive by more than {@code margin}. */
  public Contrast withFalseNegativeMargin(float margin) {
    return new Contrast(
        temperature, ownNegativeOffset, ownNegativeBias, bothDirections, sameSideNegatives, margin);
  }

  /** Whether anything is taken for a false negative. */
  public boolean hasMargin() {
    return falseNegativeMargin != NO_MARGIN;
  }

  /** The term added to logit (i, j). */
  public float bias(int i, int j) {
    return ownNegativeBias != 0f && j == ownNegativeOffset + i ? ownNegativeBias : 0f;
  }
}
