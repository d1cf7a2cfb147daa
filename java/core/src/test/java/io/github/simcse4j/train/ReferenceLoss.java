package io.github.simcse4j.train;

import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.Kernels;
import io.github.simcse4j.kernels.reference.ReferenceKernels;
import io.github.simcse4j.kernels.vector.VectorKernels;
import io.github.simcse4j.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** The Vector API but for the loss, which is the reference's, and what the loss was asked about. */
final class ReferenceLoss extends VectorKernels {

  private final Kernels reference = new ReferenceKernels();
  private final List<Call> calls = new ArrayList<>();

  /**
   * One loss, copied.
   *
   * @param queryIds null where all are different, as {@code keyIds}
   */
  record Call(double[] queries, double[] keys, long[] queryIds, long[] keyIds, Contrast contrast) {}

  ReferenceLoss(int threads) {
    super(threads);
  }

  List<Call> calls() {
    return calls;
  }

  @Override
  protected void doSimilaritySoftmaxForward(
      ContrastPairs pairs, Contrast contrast, Tensor loss, ContrastStatistics statistics) {
    calls.add(
        new Call(
            numbers(pairs.queries()),
            numbers(pairs.keys()),
            ids(pairs.queryIds()),
            ids(pairs.keyIds()),
            contrast));
    reference.similaritySoftmaxForward(pairs, contrast, loss, statistics);
  }

  @Override
  protected void doSimilaritySoftmaxBackward(
      ContrastPairs pairs,
      Contrast contrast,
      ContrastStatistics statistics,
      float lossScale,
      Tensor dQueries,
      Tensor dKeys) {
    reference.similaritySoftmaxBackward(pairs, contrast, statistics, lossScale, dQueries, dKeys);
  }

  private static double[] numbers(Tensor tensor) {
    double[] numbers = new double[(int) tensor.elements()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = tensor.get(i);
    }
    return numbers;
  }

  private static long[] ids(Tensor tensor) {
    return tensor == null ? null : tensor.segment().toArray(ValueLayout.JAVA_LONG);
  }
}
