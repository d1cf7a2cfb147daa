package io.github.simcse4j.kernels.vector;

import java.util.Arrays;

/**
 * For each anchor the largest logit so far and the sum of exponentials relative to it.
 *
 * @param maximum of each
 * @param sum of each
 * @param positive the logit of each with its partner
 */
record RunningSums(float[] maximum, double[] sum, float[] positive) {

  static RunningSums of(int count) {
    float[] maximum = new float[count];
    Arrays.fill(maximum, Float.NEGATIVE_INFINITY);
    return new RunningSums(maximum, new double[count], new float[count]);
  }

  /** Adds n logits, which are overwritten; none of them may count. */
  void add(int anchor, long logits, int n) {
    float most = Math.max(maximum[anchor], SoftmaxRows.maximum(logits, n));
    if (most == Float.NEGATIVE_INFINITY) {
      return;
    }
    double kept = sum[anchor] * Math.exp(maximum[anchor] - most);
    SoftmaxRows.exponentials(logits, n, most, 1f);
    sum[anchor] = kept + SoftmaxRows.sum(logits, n);
    maximum[anchor] = most;
  }

  double logSum(int anchor) {
    return maximum[anchor] + Math.log(sum[anchor]);
  }
}
